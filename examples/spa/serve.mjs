// Serves this folder. Any static file server does as well; `config.json` says which issuer and which client.
//
//     node serve.mjs --issuer http://localhost:8080 --client notes-spa --port 5173

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { issuer: { type: 'string' }, client: { type: 'string' }, port: { type: 'string', default: '5173' } },
});
if (!values.issuer || !values.client) {
  console.error('--issuer and --client say who issues; README.md shows how');
  process.exit(1);
}
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
const FILES = { '/': 'index.html', '/app.js': 'app.js', '/style.css': 'style.css' };

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (pathname === '/config.json') {
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify({ issuer: values.issuer, client_id: values.client }));
  }
  const file = FILES[pathname];
  if (!file) return response.writeHead(404).end();
  response.setHeader('content-type', `${TYPES[extname(file)]}; charset=utf-8`);
  return response.end(await readFile(new URL(file, import.meta.url)));
});
server.listen(Number(values.port), 'localhost', () => console.log(`http://localhost:${server.address().port}/`));
