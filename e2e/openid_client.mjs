// `openid-client` against both realms: discovery, code with PKCE, refresh, userinfo, introspection, revocation, logout,
// client credentials. Its own checks are all on; `jose` verifies access tokens as a resource server would.

import assert from 'node:assert/strict';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';

import { Browser } from './lib/browser.mjs';
import { secondRealm } from './lib/realm.mjs';
import { withServer } from './lib/server.mjs';

const SCOPE = 'openid profile email offline_access';

function configure({ issuer, client }) {
  const proof = client.client_secret ? oidc.ClientSecretBasic(client.client_secret) : oidc.None();
  const execute = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks];
  return oidc.discovery(new URL(issuer), client.client_id, undefined, proof, { execute });
}

/** Asks for a code and checks the answer; `person` clicks through whatever pages come. */
async function signIn(configuration, realm, browser, person, more = {}) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const expected = { pkceCodeVerifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce(), idTokenExpected: true };
  const url = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: realm.client.redirect_uri,
    scope: SCOPE,
    state: expected.expectedState,
    nonce: expected.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  });
  const stop = { stop: realm.client.redirect_uri };
  const back = await person(await browser.go(url, stop), browser, stop);
  assert.ok(back instanceof URL, `the code came back, not the page "${back.title}"`);
  if (more.max_age !== undefined) expected.maxAge = more.max_age;
  return oidc.authorizationCodeGrant(configuration, back, expected);
}

const types = (realm) => async (page, browser, stop) => {
  let next = await browser.press(page, 'sign-in', { email: realm.user.email, password: realm.user.password }, stop);
  if (realm.consent) next = await browser.press(next, 'allow', {}, stop);
  return next;
};
const nobody = async (answer) => answer;

async function walk(realm) {
  const configuration = await configure(realm);
  const browser = new Browser();
  const first = await signIn(configuration, realm, browser, types(realm));
  const { sub } = first.claims();
  assert.equal(first.token_type, 'bearer');

  const userinfo = await oidc.fetchUserInfo(configuration, first.access_token, sub);
  assert.equal(userinfo.email, realm.user.email);
  assert.equal(userinfo.email_verified, true);
  assert.ok(userinfo.name);

  const keys = createRemoteJWKSet(new URL(configuration.serverMetadata().jwks_uri));
  const expect = { issuer: realm.issuer, audience: realm.issuer, typ: 'at+jwt' };
  const access = await jwtVerify(first.access_token, keys, { ...expect, algorithms: ['ES256'] });
  assert.equal(access.payload.sub, sub);
  assert.equal(access.payload.client_id, realm.client.client_id);
  const id = await jwtVerify(first.id_token, keys, { issuer: realm.issuer, audience: realm.client.client_id });
  assert.equal(id.protectedHeader.alg, 'RS256');

  const second = await oidc.refreshTokenGrant(configuration, first.refresh_token);
  assert.notEqual(second.access_token, first.access_token);
  assert.equal((await jwtVerify(second.access_token, keys, expect)).payload.sub, sub);
  assert.equal((await oidc.fetchUserInfo(configuration, second.access_token, sub)).sub, sub);

  const again = await signIn(configuration, realm, browser, nobody, { prompt: 'none' });
  assert.equal(again.claims().sub, sub);
  assert.equal((await signIn(configuration, realm, browser, nobody, { max_age: 3600 })).claims().sub, sub);

  await givenBack(configuration, again);

  const left = oidc.buildEndSessionUrl(configuration, {
    id_token_hint: again.id_token,
    post_logout_redirect_uri: realm.client.signed_out,
    state: 'left',
  });
  const back = await browser.go(left, { stop: realm.client.signed_out });
  assert.equal(back.searchParams?.get('state'), 'left');
  await assert.rejects(signIn(configuration, realm, browser, nobody, { prompt: 'none' }), { error: 'login_required' });
  return second;
}

/** Introspection and revocation of a client's own tokens. */
async function givenBack(configuration, tokens) {
  const told = await oidc.tokenIntrospection(configuration, tokens.access_token);
  assert.equal(told.active, true);
  assert.equal(told.sub, tokens.claims().sub);
  assert.equal(told.client_id, configuration.clientMetadata().client_id);
  await oidc.tokenRevocation(configuration, tokens.access_token);
  assert.deepEqual(await oidc.tokenIntrospection(configuration, tokens.access_token), { active: false });
  const next = await oidc.refreshTokenGrant(configuration, tokens.refresh_token);
  await oidc.tokenRevocation(configuration, next.refresh_token, { token_type_hint: 'refresh_token' });
  assert.equal((await oidc.tokenIntrospection(configuration, next.access_token)).active, false);
  await assert.rejects(oidc.refreshTokenGrant(configuration, next.refresh_token), { error: 'invalid_grant' });
}

async function publicClient(realm) {
  const configuration = await configure(realm);
  const tokens = await signIn(configuration, realm, new Browser(), types(realm));
  const next = await oidc.refreshTokenGrant(configuration, tokens.refresh_token);
  assert.ok(next.refresh_token);
  await oidc.tokenRevocation(configuration, next.refresh_token);
  await assert.rejects(oidc.refreshTokenGrant(configuration, next.refresh_token), { error: 'invalid_grant' });
  console.log('a public client: code, PKCE, refresh, revocation');
}

async function machine(server, realm) {
  const configuration = await configure(realm);
  const resource = 'https://notes.example.com';
  const answer = await oidc.clientCredentialsGrant(configuration, { scope: 'notes:read', resource });
  const keys = createRemoteJWKSet(new URL(configuration.serverMetadata().jwks_uri));
  const { payload } = await jwtVerify(answer.access_token, keys, { issuer: realm.issuer, audience: resource, typ: 'at+jwt' });
  assert.equal(payload.scope, 'notes:read');
  const sealed = 'https://sealed.example.com';
  const words = ['--scope', 'notes:read', '--token-format', 'opaque'];
  await server.command('resource-server', 'create', sealed, 'Sealed notes', ...words);
  const opaque = await oidc.clientCredentialsGrant(configuration, { scope: 'notes:read', resource: sealed });
  assert.equal(opaque.expires_in, 900);
  const told = await oidc.tokenIntrospection(configuration, opaque.access_token);
  assert.deepEqual([told.active, told.aud, told.scope], [true, sealed, 'notes:read']);
  console.log('client credentials, for a signed and for an opaque token');
}

/** One browser, two realms: a session, a user, a token of one is nothing to the other. */
async function nothingCrosses(main, acme) {
  const [here, there] = [await configure(main), await configure(acme)];
  const browser = new Browser();
  const tokens = await signIn(here, { ...main, consent: false }, browser, types({ ...main, consent: false }));
  await assert.rejects(signIn(there, acme, browser, nobody, { prompt: 'none' }), { error: 'login_required' });
  await assert.rejects(oidc.fetchUserInfo(there, tokens.access_token, tokens.claims().sub), { status: 401 });
  await assert.rejects(oidc.refreshTokenGrant(there, tokens.refresh_token), { error: 'invalid_grant' });
  const page = await browser.go(`${acme.issuer}/login`);
  const refused = await browser.press(page, 'sign-in', { email: main.user.email, password: main.user.password });
  assert.match(refused.html, /id="summary"/);
  console.log('nothing crosses between realms');
}

await withServer(process.argv[2], async (server) => {
  const main = { issuer: server.url, user: server.user, client: server.client, consent: true };
  main.client.signed_out = main.client.redirect_uri.replace(/callback$/, 'signed-out');
  const acme = await secondRealm(server);
  const tokens = {};
  for (const [name, realm] of Object.entries({ main, acme })) {
    tokens[name] = await walk(realm);
    console.log(`realm ${name}: code, PKCE, userinfo, refresh, logout`);
  }
  await publicClient({ ...main, client: server.public_client });
  await machine(server, main);
  await nothingCrosses(main, acme);
});
