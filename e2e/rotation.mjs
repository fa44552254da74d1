// Key rotation as a verifier sees it: tokens of before and after verify through the published key set at each moment, the
// next key stands in it before it signs, and a key that was removed by force is refused at once. `jose` verifies.

import assert from 'node:assert/strict';

import { createLocalJWKSet, jwtVerify } from 'jose';

import { withServer } from './lib/server.mjs';

const API = 'https://notes.example.com';

await withServer('sqlite', async (server) => {
  const published = async () => (await fetch(`${server.url}/.well-known/jwks.json`)).json();
  const token = async () => {
    const { client_id, client_secret } = server.client;
    const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
    const body = new URLSearchParams({ grant_type: 'client_credentials', resource: API });
    const answer = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body, headers: { authorization: `Basic ${basic}` } });
    assert.equal(answer.status, 200);
    return (await answer.json()).access_token;
  };
  const verify = (text, set) => jwtVerify(text, createLocalJWKSet(set), { issuer: server.url, audience: API, typ: 'at+jwt' });
  const state = async (kid) => (await server.command('key', 'list')).items.find((key) => key.kid === kid)?.state;

  const settings = { keys: { jwks_max_age: '10s', publish_ahead: '20s' } };
  await server.command('realm', 'update', 'main', '--settings', JSON.stringify(settings));
  const [before, old] = [await published(), await token()];
  const first = (await verify(old, before)).protectedHeader.kid;

  const { key: next, takes_over_at: due } = await server.command('key', 'rotate', 'es256');
  const ahead = await published();
  assert.ok(ahead.keys.some((key) => key.kid === next.kid), 'the next key is published');
  await verify(old, ahead);
  assert.equal((await verify(await token(), before)).protectedHeader.kid, first, 'the next key does not sign yet');
  await server.command('key', 'rotate', 'es256');
  assert.equal(await state(next.kid), 'pending', 'asking twice does not cut the time of publication short');

  while ((await state(next.kid)) !== 'active') {
    assert.ok(Date.now() < Date.parse(due) + 20_000, `the key does not take over at ${due}`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  assert.ok(Date.now() >= Date.parse(due) - 1_000, 'the key does not take over early');
  const fresh = await token();
  assert.equal((await verify(fresh, ahead)).protectedHeader.kid, next.kid, 'who cached the set before the change verifies');
  const after = await published();
  await verify(old, after);
  await verify(fresh, after);
  assert.equal(await state(first), 'retiring');
  console.log('published ahead, taken over, the old one kept');

  const leaked = (await server.command('key', 'list')).items.find((key) => key.kid === first);
  await server.command('key', 'remove', leaked.id, '--force');
  const without = await published();
  await assert.rejects(verify(old, without), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  await verify(fresh, without);
  console.log('a key that leaked is gone at once');
});
