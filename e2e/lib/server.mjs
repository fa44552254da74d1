// A development server of the case's own, on the database that the case names, and the operator's commands on it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { database } from './database.mjs';

const { E2E_BINARY: BINARY, E2E_ARTIFACTS: ARTIFACTS } = process.env;

export class Server {
  /** Starts `claviger dev` on `engine`, `sqlite` or `postgres`, and waits until it is ready. */
  static async start(engine) {
    const server = new Server();
    server.data = mkdtempSync(join(tmpdir(), 'claviger-e2e-'));
    server.database = await database(engine);
    server.environment = { ...process.env, ...server.database.variables };
    await server.up('127.0.0.1:0');
    return server;
  }

  /** Starts the process; `listen` is the same again after `down`, so that the issuer stays. */
  async up(listen) {
    const began = performance.now();
    this.process = spawn(BINARY, ['dev', '--json', '--listen', listen, '--data', this.data], {
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stderr.pipe(createWriteStream(join(ARTIFACTS, 'server.log'), { flags: 'a' }));
    const lines = createInterface({ input: this.process.stdout });
    const ended = once(this.process, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${code} before it was ready; see server.log in ${ARTIFACTS}`);
    });
    const [line] = await Promise.race([once(lines, 'line'), ended]);
    ended.catch(() => {});
    this.readyAfter = performance.now() - began;
    Object.assign(this, JSON.parse(line));
    this.desk_url = this.inbox_url.replace(/\/inbox$/, '');
  }

  /** Runs a command of the operator on the running server and gives its JSON answer. */
  async command(...words) {
    const options = typeof words.at(-1) === 'object' ? words.pop() : {};
    const child = spawn(BINARY, [...words, '--json', '--data', this.data], { env: this.environment });
    let said = '';
    let complaint = '';
    child.stdout.on('data', (bytes) => (said += bytes));
    child.stderr.on('data', (bytes) => (complaint += bytes));
    // A command that reads nothing may be gone before its input is.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`claviger ${words.join(' ')} failed: ${complaint}`);
    return said.trim() ? JSON.parse(said) : undefined;
  }

  /** The newest message to `address`; waits until it has arrived. */
  async mail(address) {
    for (let tries = 0; tries < 200; tries += 1) {
      const messages = await (await fetch(`${this.inbox_url}/messages.json`)).json();
      const found = messages.find((message) => message.to === address);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no message to ${address} arrived`);
  }

  async down() {
    if (this.process.exitCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const [code] = await gone;
    if (code !== 0) throw new Error(`the server ended with ${code}; see server.log in ${ARTIFACTS}`);
  }

  async stop() {
    try {
      await this.down();
    } finally {
      rmSync(this.data, { recursive: true, force: true });
      await this.database.drop();
    }
  }
}

/** Runs `body` with a server and stops the server whatever happens. */
export async function withServer(engine, body) {
  const server = await Server.start(engine);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}
