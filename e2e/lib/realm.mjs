// A second realm, made by command: its own issuer, keys, user and client.

export async function secondRealm(server) {
  const password = 'a long and quiet afternoon';
  const loopback = 'http://127.0.0.1';
  const { issuer } = await server.command('realm', 'create', 'acme', '--display-name', 'Acme');
  const words = ['--realm', 'acme'];
  const made = await server.command(
    ...['client', 'create', 'Acme Portal', ...words, '--client-id', 'portal', '--first-party'],
    ...['--redirect-uri', `${loopback}/callback`, '--post-logout-redirect-uri', `${loopback}/signed-out`],
  );
  const user = ['user', 'create', 'bob@example.com', ...words, '--verified', '--claim', 'name=Bob', '--password-file', '-'];
  await server.command(...user, { input: password });
  await keysAreThere(issuer);
  return {
    issuer,
    user: { email: 'bob@example.com', password },
    client: {
      client_id: made.client_id,
      client_secret: made.client_secret,
      redirect_uri: `${loopback}:9/callback`,
      signed_out: `${loopback}:9/signed-out`,
    },
    consent: false,
  };
}

/** The RSA key of a new realm is made in the background. */
async function keysAreThere(issuer) {
  for (let tries = 0; tries < 300; tries += 1) {
    const { keys } = await (await fetch(`${issuer}/.well-known/jwks.json`)).json();
    if (keys.some((key) => key.alg === 'RS256')) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${issuer} publishes no RSA key`);
}
