// The single-page sample in two tabs of one browser, which share nothing but the cookie: they refresh at the same moment,
// again and again, and both stay signed in. Then one signs out, and both are.

import assert from 'node:assert/strict';

import { accessible, shot, visitor, withChromium } from './lib/chromium.mjs';
import { withPage } from './lib/samples.mjs';
import { withServer } from './lib/server.mjs';

const ROUNDS = 100;

const refresh = (page) => page.evaluate(() => globalThis.sample.refresh().then(() => 'signed in', (error) => error.code ?? String(error)));

await withServer('sqlite', (server) =>
  withPage(server, (address) =>
    withChromium(async (browser) => {
      const { complaints, context, page: one } = await visitor(browser);
      await one.goto(address);
      await one.locator('#sign_in').waitFor();
      await accessible(one, 'sign-in');
      await one.fill('#sign_in [name=email]', server.user.email);
      await one.fill('#sign_in [name=password]', 'not the password at all');
      await one.click('#sign_in button');
      await one.locator('#problem:not([hidden])').waitFor();
      await one.fill('#sign_in [name=password]', server.user.password);
      await one.click('#sign_in button');
      await one.locator('#signed_in').waitFor();
      assert.equal(await one.innerText('#who'), 'Ada Lovelace');
      assert.equal(await one.locator('#devices li').count(), 1);
      await shot(one, 'signed-in');

      const cookies = await context.cookies(server.url);
      const kept = cookies.filter(({ name }) => name.startsWith('refresh-'));
      assert.equal(kept.length, 1, 'one refresh cookie');
      assert.ok(kept[0].httpOnly && kept[0].sameSite === 'Strict', JSON.stringify({ ...kept[0], value: '' }));
      assert.equal(await one.evaluate(() => document.cookie), '', 'no script sees a cookie');

      const two = await context.newPage();
      await two.goto(address);
      await two.locator('#signed_in').waitFor();
      for (let round = 0; round < ROUNDS; round += 1) {
        assert.deepEqual(await Promise.all([refresh(one), refresh(two)]), ['signed in', 'signed in'], `round ${round}`);
      }
      for (const page of [one, two]) {
        const status = await page.evaluate(() => globalThis.sample.call(`${globalThis.sample.issuer}/oauth2/userinfo`).then((answer) => answer.status));
        assert.equal(status, 200);
        await page.reload();
        await page.locator('#signed_in').waitFor();
        assert.equal(await page.locator('#devices li').count(), 1, 'one device, however many tabs');
      }

      await one.click('#sign-out');
      await one.locator('#sign_in').waitFor();
      assert.equal(await refresh(two), 'signed_out');
      assert.deepEqual(complaints, []);
      await context.close();
      console.log(`${ROUNDS} rounds of two refreshes at once`);
    }),
  ),
);
