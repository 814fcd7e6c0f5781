/**
 * Two authorization servers that are not ours, of one make: better-auth, with nothing of its code changed.
 * Told what to be and ended as ../node_serving.mjs has it.
 *
 * At /oauth there is its OAuth provider with the device grant, at /api/auth its older plugin of that name,
 * which gives out sessions. Tells {"event": "ready", "base": URL, "client_id": ..., "service_id": ...}.
 *
 * Settings:
 *   host, port, cert_file, key_file    see listen() in ../node_serving.mjs
 *   email, password                    of the one person, who has an account at both
 *   scopes                             what a device may ask for at /oauth
 *   service_secret                     of a client for the client credentials grant
 *   access_token_ttl                   seconds, for sessions too
 *   interval                           seconds between polls
 */
import { randomBytes } from 'node:crypto';
import { listen, serve, tell } from '../node_serving.mjs';

const { betterAuth } = await import('better-auth');
const { memoryAdapter } = await import('better-auth/adapters/memory');
const { getAuthTables } = await import('better-auth/db');
const { toNodeHandler } = await import('better-auth/node');
const { bearer, deviceAuthorization, jwt } = await import('better-auth/plugins');
const { oauthDeviceAuthorization, oauthProvider } = await import('@better-auth/oauth-provider');

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/** A server below that path, with a database of its own in memory. */
function site(baseURL, basePath, more) {
  const options = {
    baseURL,
    basePath,
    secret: randomBytes(32).toString('base64url'),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    // All come from one address here, and sign in more often than anybody would.
    rateLimit: { enabled: false },
    ...more,
  };
  const tables = Object.values(getAuthTables(options)).map((table) => [table.modelName, []]);
  return betterAuth({ ...options, database: memoryAdapter(Object.fromEntries(tables)) });
}

/** The person's account; returns the headers of somebody who is signed in. */
async function signUp(auth, settings) {
  const body = { email: settings.email, password: settings.password, name: 'Ada' };
  const { headers } = await auth.api.signUpEmail({ body, returnHeaders: true });
  return new Headers({ cookie: headers.getSetCookie().map((cookie) => cookie.split(';')[0]).join('; ') });
}

/** The plugin that gives out sessions. */
function sessions(url, settings, codes) {
  return site(url, '/api/auth', {
    session: { expiresIn: settings.access_token_ttl },
    plugins: [deviceAuthorization(codes), bearer()],
  });
}

/** The OAuth provider. */
function provider(url, settings, codes) {
  const oauth = oauthProvider({
    loginPage: '/login',
    consentPage: '/consent',
    scopes: settings.scopes,
    accessTokenExpiresIn: settings.access_token_ttl,
    m2mAccessTokenExpiresIn: settings.access_token_ttl,
    clientPrivileges: () => true,
    generateClientSecret: () => settings.service_secret,
    silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
  });
  return site(url, '/oauth', { plugins: [jwt(), oauth, oauthDeviceAuthorization(codes)] });
}

/** Serve. */
async function start(settings) {
  const { url, handle } = await listen(settings);
  const codes = { interval: `${settings.interval}s`, verificationUri: '/device' };
  const [plain, full] = [sessions(url, settings, codes), provider(url, settings, codes)];
  await signUp(plain, settings);
  const headers = await signUp(full, settings);
  const device = await full.api.adminCreateOAuthClient({
    headers,
    body: {
      client_name: 'Living room TV',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: [DEVICE_CODE, 'refresh_token'],
      scope: settings.scopes.join(' '),
    },
  });
  const service = await full.api.adminCreateOAuthClient({
    headers,
    body: {
      client_name: 'Meter',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials'],
      client_credentials_scopes: ['telemetry'],
    },
  });
  const handlers = { '/api/auth/': toNodeHandler(plain), '/oauth/': toNodeHandler(full) };
  handle((request, response) => {
    const path = Object.keys(handlers).find((prefix) => request.url.startsWith(prefix));
    return path ? handlers[path](request, response) : response.writeHead(404).end();
  });
  tell('ready', { base: url, client_id: device.client_id, service_id: service.client_id });
}

serve(start);
