// Key rotation by schedule under load, as clients see it that keep the key set exactly as long as they may and never look
// earlier: `openid-client` signs in, refreshes and checks ID tokens, `jose` verifies access tokens as a resource server
// does, the server answers userinfo. Whatever was issued verifies from the first moment to its last (F47).
//
// `openid-client` keeps a key set for five minutes and looks again for an unknown key after one; like the rotation its
// cache is scaled to seconds here: a configuration lives as long as a key set may be kept. E2E_ROTATIONS asks for
// more than two.

import assert from 'node:assert/strict';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';

import { Browser } from './lib/browser.mjs';
import { withServer } from './lib/server.mjs';

const ROTATIONS = Number(process.env.E2E_ROTATIONS ?? 2);
const WORKERS = 4;
const MAX_AGE = 2;
const LIFE = 10;
const SETTINGS = {
  keys: { jwks_max_age: `${MAX_AGE}s`, publish_ahead: `${2 * MAX_AGE}s`, rotation: '9s' },
  tokens: { access: `${LIFE}s`, access_longest: `${LIFE}s`, id: `${LIFE}s` },
};
const SCOPE = 'openid email offline_access';

const now = () => performance.now() / 1_000;

/** Something that is fetched anew when it is as old as a key set may be, and not a moment earlier. */
function kept(fetch) {
  let found;
  let until = 0;
  return () => {
    if (now() >= until) [found, until] = [fetch(), now() + MAX_AGE];
    return found;
  };
}

await withServer(process.argv[2], async (server) => {
  await server.command('realm', 'update', 'main', '--settings', JSON.stringify(SETTINGS));
  const { client, user } = server;
  const metadata = await (await fetch(`${server.url}/.well-known/openid-configuration`)).json();
  const seen = { tokens: 0, verified: 0, kids: new Set() };
  let over = false;

  const configure = () => {
    const configuration = new oidc.Configuration(metadata, client.client_id, undefined, oidc.ClientSecretBasic(client.client_secret));
    oidc.allowInsecureRequests(configuration);
    oidc.enableNonRepudiationChecks(configuration);
    return configuration;
  };

  async function signIn(configuration, browser) {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
    const expected = { pkceCodeVerifier, expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState(), idTokenExpected: true };
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: client.redirect_uri,
      scope: SCOPE,
      state: expected.expectedState,
      nonce: expected.expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    const stop = { stop: client.redirect_uri };
    let next = await browser.go(url, stop);
    if (!(next instanceof URL)) next = await browser.press(next, 'sign-in', { email: user.email, password: user.password }, stop);
    if (!(next instanceof URL)) next = await browser.press(next, 'allow', {}, stop);
    return oidc.authorizationCodeGrant(configuration, next, expected);
  }

  /** One person at work: a new code now and then, refreshes between, and every living token is verified each time. */
  async function work(number, browser) {
    const configuration = kept(configure);
    const resource = kept(() =>
      createRemoteJWKSet(new URL(metadata.jwks_uri), { cacheMaxAge: MAX_AGE * 1_000, cooldownDuration: MAX_AGE * 1_000 }),
    );
    const living = [];
    let tokens;
    for (let round = number; !over; round += 1) {
      const fresh = !tokens || round % 10 === 0;
      tokens = fresh ? await signIn(configuration(), browser) : await oidc.refreshTokenGrant(configuration(), tokens.refresh_token);
      living.push({ text: tokens.access_token, until: now() + tokens.expires_in - 1 });
      seen.tokens += 1;
      const userinfo = await oidc.fetchUserInfo(configuration(), tokens.access_token, oidc.skipSubjectCheck);
      assert.equal(userinfo.email, user.email);
      while (living[0].until < now()) living.shift();
      for (const { text, until } of [...living]) {
        if (until < now()) continue;
        const verified = await jwtVerify(text, resource(), { issuer: server.url, audience: server.url, typ: 'at+jwt' });
        seen.kids.add(verified.protectedHeader.kid);
        seen.verified += 1;
      }
    }
  }

  async function rotations() {
    const { items } = await server.command('key', 'list');
    // The first RSA key may still be in the making.
    const number = (purpose) => items.find((key) => key.purpose === purpose && key.state === 'active')?.number ?? 1;
    return Math.min(number('es256'), number('rs256')) - 1;
  }

  // One after the other: guesses at one account at the same time are slowed down.
  const browsers = Array.from({ length: WORKERS }, () => new Browser());
  for (const browser of browsers) await signIn(configure(), browser);

  const started = now();
  const watch = (async () => {
    const before = await rotations();
    while ((await rotations()) < before + ROTATIONS) {
      assert.ok(now() - started < ROTATIONS * 40, `two rotations take no longer than that; see server.log`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    // The tokens of before go on to live.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  })().finally(() => (over = true));
  const workers = browsers.map((browser, number) => work(number, browser).finally(() => (over = true)));
  await Promise.all([watch, ...workers]);

  const seconds = now() - started;
  assert.ok(seen.kids.size > ROTATIONS, `tokens of ${seen.kids.size} keys`);
  assert.ok(seen.tokens / seconds > 2, `${seen.tokens} grants in ${seconds.toFixed(0)} s are no load`);
  console.log(
    `${ROTATIONS} rotations in ${seconds.toFixed(0)} s: ${seen.tokens} grants, ${seen.verified} verifications, ` +
      `${seen.kids.size} keys, no failure`,
  );
});
