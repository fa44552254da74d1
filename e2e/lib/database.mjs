// The database of a case: a file in the server's data folder, or a PostgreSQL database with roles of its own, made by the
// very SQL that `claviger init --postgres-roles` prints.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

import postgres from 'postgres';

const LOGINS = { OWNER: 'CLAVIGER_DATABASE__MIGRATE_URL', SERVER: 'CLAVIGER_DATABASE__URL', READER: 'CLAVIGER_DATABASE__READ_URL' };

export async function database(engine) {
  if (engine === 'sqlite') return { variables: {}, drop: async () => {} };
  if (engine !== 'postgres') throw new Error(`there is no engine ${engine}`);
  const name = `e2e_${randomBytes(6).toString('hex')}`;
  const variables = {};
  let sql = execFileSync(process.env.E2E_BINARY, ['init', '--postgres-roles', name], { encoding: 'utf8' });
  for (const [login, variable] of Object.entries(LOGINS)) {
    const password = randomBytes(12).toString('hex');
    sql = sql.replace(`REPLACE-${login}-PASSWORD`, password);
    variables[variable] = address(name, `${name}_${login.toLowerCase()}`, password);
  }
  const [outside, inside] = sql.split(/^\\connect .*$/m);
  await run(process.env.E2E_POSTGRES, outside);
  await run(address(name), inside);
  return { variables, drop: () => run(process.env.E2E_POSTGRES, cleanUp(name)) };
}

function address(name, user, password) {
  const url = new URL(process.env.E2E_POSTGRES);
  url.pathname = `/${name}`;
  if (user) Object.assign(url, { username: user, password });
  return url.href;
}

function cleanUp(name) {
  const roles = Object.keys(LOGINS).map((login) => `drop role "${name}_${login.toLowerCase()}";\n`);
  return `drop database "${name}" with (force);\n${roles.join('')}`;
}

/** Runs statements one by one, as a database cannot be made in a batch. A line that ends in `;` ends one. */
async function run(url, text) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (const statement of text.split(/;\s*(?:--.*)?\n(?!\s*end\b)(?!\s*if\b)/)) {
      if (statement.trim()) await sql.unsafe(statement);
    }
  } finally {
    await sql.end();
  }
}
