// The browser, with what every page must satisfy: nothing in its console, and nothing for axe to find.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 800 };

/** Runs `body` with a browser and closes it whatever happens. */
export async function withChromium(body) {
  const browser = await chromium.launch({ executablePath: process.env.E2E_CHROMIUM, args: ['--no-sandbox'] });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

/** A fresh visitor; whatever the console complains of is kept in `complaints`. */
export async function visitor(browser, { size = DESKTOP, theme = 'light', scripts = true } = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: theme, javaScriptEnabled: scripts, locale: 'en-GB' });
  const complaints = [];
  context.on('console', (message) => {
    // Chromium reports every answer of 4xx as an error; a form that comes back with its faults is one.
    const ordinary = /Failed to load resource: the server responded with a status of 4\d\d/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !ordinary) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
  return { context, complaints, page: await context.newPage() };
}

/** Fails with what axe finds on the page, by the rules of WCAG 2.2 AA and its own good practice. */
export async function accessible(page, name) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}\n  ${node.failureSummary}`));
  assert.deepEqual(found, [], `axe on ${name}`);
}

/** Fails if the page is wider than the window. */
export async function fits(page, name) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${name} is ${wide} px wide in a window of ${window} px`);
}

/** A screenshot into the case's folder. */
export const shot = (page, name) => page.screenshot({ path: join(process.env.E2E_ARTIFACTS, `${name}.png`), fullPage: true });
