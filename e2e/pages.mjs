// Every page in every state, in both themes and at both widths: axe finds nothing, nothing overflows, the console is
// silent. `pages.mjs long` fills them with values as long as they come; `pages.mjs shots` also takes their pictures.

import assert from 'node:assert/strict';

import { DESKTOP, PHONE, accessible, fits, shot, visitor, withChromium } from './lib/chromium.mjs';
import { withServer } from './lib/server.mjs';

const query = process.argv.includes('long') ? '?samples=long' : '';
const pictures = process.argv.includes('shots');

await withServer('sqlite', (server) =>
  withChromium(async (browser) => {
    const index = await (await fetch(`${server.desk_url}/gallery`)).text();
    const names = [...index.matchAll(/href="\/gallery\/([^"]+)"/g)].map(([, name]) => name);
    assert.ok(names.length > 50, `the gallery shows ${names.length} pages`);
    for (const [size, theme] of [[DESKTOP, 'light'], [PHONE, 'dark']]) {
      const { complaints, context, page } = await visitor(browser, { size, theme });
      for (const name of names) {
        const label = `${name}-${theme}-${size.width}`;
        await page.goto(`${server.desk_url}/gallery/${name}${query}`);
        await fits(page, label);
        await accessible(page, label);
        if (pictures) await shot(page, label);
        assert.deepEqual(complaints, [], label);
      }
      await context.close();
    }
    console.log(`${names.length} pages in both themes and at both widths`);
  }),
);
