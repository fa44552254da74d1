// A newcomer in Chromium: from the welcome page through the demo application to an account, and out again. On a phone in
// the dark, on a desktop in the light, and without scripts.

import assert from 'node:assert/strict';

import { DESKTOP, PHONE, accessible, fits, shot, visitor, withChromium } from './lib/chromium.mjs';
import { withServer } from './lib/server.mjs';

const PASSWORD = 'seven quiet herons at dusk';

const look = async (page, scripts, name) => {
  await fits(page, name);
  if (scripts) await accessible(page, name);
  await shot(page, name);
};

/** The code out of the newest message to `address`, read where a person reads it. */
async function codeFromInbox(context, server, address) {
  await server.mail(address);
  const inbox = await context.newPage();
  await inbox.goto(server.inbox_url);
  await inbox.locator('#messages li', { hasText: address }).first().locator('a').click();
  const code = (await inbox.locator('#message').innerText()).match(/\b\d{4} ?\d{4}\b/)?.[0];
  await inbox.close();
  assert.ok(code, 'the message bears a code');
  return code;
}

async function walk(browser, server, { name, email, ...options }) {
  const { context, complaints, page } = await visitor(browser, options);
  const see = (step) => look(page, options.scripts !== false, `${name}-${step}`);
  const press = async (id) => {
    await page.locator(`#${id}`).click();
    await page.waitForLoadState();
  };

  await page.goto(server.desk_url);
  await see('1-welcome');
  await press('demo');
  await see('2-demo');
  await press('demo-sign-in');
  await see('3-sign-in');
  await press('create-account');
  await page.fill('#name', 'Grace Hopper');
  await page.fill('#email', email);
  await page.fill('#password', 'password1234567');
  await press('sign-up');
  await page.locator('#password-fault').waitFor();
  assert.equal(await page.inputValue('#email'), email);
  await see('4-sign-up-refused');
  await page.fill('#password', PASSWORD);
  await press('sign-up');
  await see('5-verify');
  await page.fill('#code', await codeFromInbox(context, server, email));
  await press('verify');
  if (await page.locator('#password').count()) {
    await see('6-sign-in-again');
    await page.fill('#password', PASSWORD);
    await press('sign-in');
  }
  await see('7-consent');
  await press('allow');
  assert.equal(new URL(page.url()).origin, server.demo_url);
  await see('8-tokens');
  const shown = async (id) => JSON.parse(await page.locator(`#${id}`).innerText());
  const before = await shown('access-token');
  assert.equal((await shown('userinfo')).email, email);
  assert.equal((await shown('id-token')).iss, server.url);
  await press('refresh');
  assert.notEqual((await shown('access-token')).jti, before.jti);
  await see('9-refreshed');

  await page.goto(`${server.url}/account`);
  await see('10-account');
  await press('change-password');
  await see('11-password');
  await page.goto(server.demo_url);
  await press('sign-out');
  assert.equal(page.url(), `${server.demo_url}/`);
  await page.locator('#demo-sign-in').waitFor();
  await press('demo-sign-in');
  await page.fill('#email', email);
  await page.fill('#password', PASSWORD);
  await press('sign-in');
  assert.equal(page.url(), `${server.demo_url}/`, 'the consent is remembered');
  assert.deepEqual(complaints, []);
  await context.close();
  console.log(`${name}: signed up, verified, signed in, refreshed, signed out, signed in again`);
}

await withServer('sqlite', (server) =>
  withChromium(async (browser) => {
    await walk(browser, server, { name: 'desktop', email: 'grace@example.com', size: DESKTOP, theme: 'light' });
    await walk(browser, server, { name: 'phone', email: 'hopper@example.com', size: PHONE, theme: 'dark' });
    await walk(browser, server, { name: 'no-scripts', email: 'rear.admiral@example.com', size: PHONE, scripts: false });
  }),
);
