// A single-page application that signs people in by itself, over Claviger's JSON surface.
//
// The access token lives in this variable and nowhere else. The refresh token is in a cookie that no script can read, and
// that is all two tabs share: each refreshes for itself, at the same moment if it so happens.

const { issuer, client_id } = await (await fetch('config.json')).json();
let access;
let flow;

class Problem extends Error {
  constructor(status, { code, detail, errors = [] }) {
    super(errors[0]?.detail ?? detail);
    Object.assign(this, { status, code });
  }
}

/** Asks the JSON surface. `credentials: 'include'` sends and keeps its cookies. */
async function ask(method, path, body) {
  const answer = await fetch(`${issuer}/api/v1/auth/${path}`, {
    method,
    credentials: 'include',
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ client_id, ...body }) }),
  });
  if (answer.status === 204) return undefined;
  const told = await answer.json();
  if (!answer.ok) throw new Problem(answer.status, told);
  return told;
}

const step = (path, body) => ask('POST', path, { flow, ...body });
const session = (method, path) => ask(method, `${path}?client_id=${encodeURIComponent(client_id)}`);

/** Another access token. Calls within this tab share one request. */
let refreshing;
function refresh() {
  refreshing ??= step('refresh')
    .then((tokens) => (access = tokens.access_token))
    .finally(() => (refreshing = undefined));
  return refreshing;
}

/** Calls an API with the access token, and once more with a fresh one if it has expired. */
async function call(url) {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${access}` } });
  if (answer.status !== 401) return answer;
  await refresh();
  return fetch(url, { headers: { authorization: `Bearer ${access}` } });
}

const element = (id) => document.getElementById(id);
const FORM = { confirm_sign_up: 'code', confirm_address: 'code', confirm_reset: 'code' };

/** Shows what the answer's state asks for. */
async function show(answer) {
  flow = answer.flow;
  if (answer.state === 'signed_in') {
    access = answer.access_token;
    await home();
  }
  const shown = FORM[answer.state] ?? answer.state;
  for (const part of document.querySelectorAll('form, section')) part.hidden = part.id !== shown;
  for (const address of document.querySelectorAll('.address')) address.textContent = answer.email ?? '';
}

async function home() {
  const user = await (await call(`${issuer}/oauth2/userinfo`)).json();
  element('who').textContent = user.name ?? user.email;
  const { items } = await session('GET', 'sessions');
  element('devices').replaceChildren(...items.map(device));
}

function device({ id, device, current }) {
  const row = document.createElement('li');
  row.append(current ? `${device} (this device) ` : `${device} `);
  if (!current) {
    const end = document.createElement('button');
    end.textContent = 'Sign out';
    end.onclick = () => tell(async () => {
      await session('DELETE', `sessions/${id}`);
      await home();
    });
    row.append(end);
  }
  return row;
}

/** Runs `work` and shows what went wrong. */
async function tell(work) {
  const problem = element('problem');
  problem.hidden = true;
  try {
    await work();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    if (error.code === 'signed_out' || error.code === 'flow_gone') await show({ state: 'sign_in' });
  }
}

const STEPS = { sign_in: 'sign-in', sign_up: 'sign-up', recover: 'recover', code: 'verify', new_password: 'reset' };
for (const [id, path] of Object.entries(STEPS)) {
  element(id).onsubmit = (event) => {
    event.preventDefault();
    const typed = Object.fromEntries(new FormData(event.target));
    return tell(async () => {
      await show(await step(path, typed));
      event.target.reset();
    });
  };
}
element('resend').onclick = () => tell(async () => show(await step('resend')));
element('sign-out').onclick = () => tell(async () => {
  await ask('POST', 'sign-out', {});
  access = undefined;
  await show({ state: 'sign_in' });
});
addEventListener('hashchange', () => show({ state: location.hash.slice(1), flow }));

// Whoever comes back is signed in if the cookie still is good.
try {
  await refresh();
  await show({ state: 'signed_in', access_token: access });
} catch (error) {
  if (error.code !== 'signed_out') throw error;
  await show({ state: 'sign_in' });
}

// To try things out from the console of the browser.
globalThis.sample = { refresh, call, issuer };
