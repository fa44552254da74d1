"""Authlib against both realms: discovery, code with PKCE, userinfo, refresh, introspection, revocation,
logout. joserfc checks the signatures."""

import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the development server speaks http, on this machine only
sys.path.insert(0, str(Path(__file__).parent / "lib"))

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet
from server import Browser, server

SCOPE = "openid profile email offline_access"


def walk(realm):
    client = realm["client"]
    metadata = requests.get(f"{realm['issuer']}/.well-known/openid-configuration").json()
    assert metadata["issuer"] == realm["issuer"]
    session = OAuth2Session(
        client["client_id"],
        client["client_secret"],
        scope=SCOPE,
        redirect_uri=client["redirect_uri"],
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
    )
    verifier, nonce = generate_token(48), generate_token(20)
    address = metadata["authorization_endpoint"]
    url, state = session.create_authorization_url(address, code_verifier=verifier, nonce=nonce)

    browser = Browser()
    back = sign_in(browser, url, realm)
    answer = parse_qs(urlsplit(back).query)
    assert answer["iss"] == [realm["issuer"]], answer
    token = session.fetch_token(
        metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
    )
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"]).json())
    claims = check_id_token(token["id_token"], keys, realm, token["access_token"], nonce)
    check_access_token(token["access_token"], keys, realm, claims["sub"])

    userinfo = session.get(metadata["userinfo_endpoint"])
    userinfo.raise_for_status()
    assert userinfo.json()["sub"] == claims["sub"]
    assert userinfo.json()["email"] == realm["user"]["email"]
    posted = session.post(metadata["userinfo_endpoint"])
    assert posted.json() == userinfo.json()

    fresh = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    assert fresh["access_token"] != token["access_token"]
    check_access_token(fresh["access_token"], keys, realm, claims["sub"])
    assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == claims["sub"]

    asked = session.introspect_token(metadata["introspection_endpoint"], token=fresh["access_token"])
    assert asked.json()["active"] and asked.json()["sub"] == claims["sub"], asked.text
    given = session.revoke_token(
        metadata["revocation_endpoint"], token=fresh["refresh_token"], token_type_hint="refresh_token"
    )
    assert given.status_code == 200, given.text
    asked = session.introspect_token(metadata["introspection_endpoint"], token=fresh["access_token"])
    assert asked.json() == {"active": False}, asked.text

    leave = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": client["signed_out"], "state": "left"}
    left = browser.go(f"{metadata['end_session_endpoint']}?{urlencode(leave)}", stop=client["signed_out"])
    assert isinstance(left, str) and parse_qs(urlsplit(left).query)["state"] == ["left"], left
    again, _ = session.create_authorization_url(address, code_verifier=verifier, nonce=nonce)
    page = browser.go(again, stop=client["redirect_uri"])
    assert page.form("sign-in"), "nobody is signed in any more"


def sign_in(browser, url, realm):
    stop = realm["client"]["redirect_uri"]
    answer = browser.press(browser.go(url, stop=stop), "sign-in", stop=stop, **realm["user"])
    if realm["consent"]:
        answer = browser.press(answer, "allow", stop=stop)
    assert isinstance(answer, str), answer.text
    return answer


def check_id_token(text, keys, realm, access_token, nonce):
    token = jwt.decode(text, keys, algorithms=["RS256"])
    client_id = realm["client"]["client_id"]
    options = {
        "iss": {"essential": True, "value": realm["issuer"]},
        "aud": {"essential": True, "value": client_id},
        "nonce": {"essential": True, "value": nonce},
        "at_hash": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    CodeIDToken(token.claims, token.header, options, params).validate(leeway=0)
    return token.claims


def check_access_token(text, keys, realm, subject):
    token = jwt.decode(text, keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt", token.header
    rules = jwt.JWTClaimsRegistry(iss={"essential": True, "value": realm["issuer"]}, exp={"essential": True})
    rules.validate(token.claims)
    assert (token.claims["sub"], token.claims["client_id"]) == (subject, realm["client"]["client_id"])


with server(sys.argv[1]) as running:
    main = {**running.ready, "issuer": running.ready["url"], "consent": True}
    main["client"]["signed_out"] = main["client"]["redirect_uri"].replace("/callback", "/signed-out")
    for realm in (main, running.second_realm()):
        walk(realm)
        print(f"{realm['issuer']}: code, PKCE, userinfo, refresh, logout")
