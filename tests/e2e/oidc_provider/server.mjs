/**
 * An authorization server that is not ours: oidc-provider, with nothing of its protocol code changed.
 * Told what to be and ended as ../node_serving.mjs has it; tells {"event": "ready", "issuer": ...}, then one
 * event for every request that oidc-provider reports to have answered.
 *
 * Settings, all optional but `clients`:
 *   host, port            where to listen (127.0.0.1; 0 lets the system choose) and what the issuer is called
 *   cert_file, key_file   PEM files; with them the server speaks https, without them http
 *   client_ca_file        PEM; with it clients may show certificates in the TLS handshake (RFC 8705)
 *   clients               client metadata as in RFC 7591
 *   scopes                scopes beyond openid and offline_access
 *   access_token_ttl, refresh_token_ttl, device_code_ttl    seconds
 *   rotate                whether a refresh answers with a new refresh token (true)
 *   interval              seconds, put into device authorization answers; oidc-provider itself leaves the
 *                         field out, which RFC 8628 section 3.2 makes 5 seconds
 *   dpop                  whether access tokens are bound to the key of a DPoP proof (RFC 9449), for which each
 *                         proof needs a nonce of the server
 *   resource              a resource indicator (RFC 8707) whose access tokens are JWTs (RFC 9068)
 *   resource_by_default   that resource also for clients that do not send `resource`
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { listen, serve, tell } from '../node_serving.mjs';

// After node_serving.mjs, which sends to stderr what oidc-provider prints while it loads.
const { default: Provider, errors } = await import('oidc-provider');

const DAY = 24 * 60 * 60;

/** oidc-provider's configuration from our settings. */
function configuration(settings) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const accessTokenTtl = settings.access_token_ttl ?? 3600;
  const scopes = settings.scopes ?? [];
  return {
    clients: settings.clients,
    clientAuthMethods: [
      'none', 'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt',
      ...(settings.client_ca_file ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    scopes: ['openid', 'offline_access', ...scopes],
    // Fresh for every run: the built-in development keys are in the package for everyone to read.
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    rotateRefreshToken: settings.rotate ?? true,
    ttl: {
      AccessToken: accessTokenTtl,
      ClientCredentials: accessTokenTtl,
      DeviceCode: settings.device_code_ttl ?? 600,
      RefreshToken: settings.refresh_token_ttl ?? 14 * DAY,
      IdToken: 3600,
      Interaction: 3600,
      Session: DAY,
      Grant: 14 * DAY,
    },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      clientCredentials: { enabled: true },
      dPoP: settings.dpop
        ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true }
        : { enabled: false },
      mTLS: mutualTls(settings.client_ca_file !== undefined),
      resourceIndicators: resourceIndicators(settings.resource, settings.resource_by_default, accessTokenTtl, scopes),
    },
  };
}

/** RFC 8705: what Node knows of the connection. */
function mutualTls(enabled) {
  return {
    enabled,
    tlsClientAuth: enabled,
    selfSignedTlsClientAuth: enabled,
    getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.(),
    certificateAuthorized: (ctx) => ctx.req.socket.authorized,
    certificateSubjectMatches(ctx, property, expected) {
      if (property !== 'tls_client_auth_san_dns') throw new Error(`nobody wrote a comparison for ${property}`);
      const names = ctx.req.socket.getPeerX509Certificate().subjectAltName ?? '';
      return names.split(', ').includes(`DNS:${expected}`);
    },
  };
}

/** RFC 8707: the one resource that access tokens may be for. */
function resourceIndicators(resource, byDefault, accessTokenTTL, scopes) {
  return {
    enabled: true,
    defaultResource: (ctx, client, oneOf) => oneOf ?? (byDefault ? resource : undefined),
    // Otherwise `openid` among the scopes would turn the token into one for the userinfo endpoint.
    useGrantedResource: () => true,
    getResourceServerInfo(ctx, indicator) {
      if (indicator !== resource) throw new errors.InvalidTarget();
      return {
        scope: scopes.join(' '),
        audience: resource,
        accessTokenTTL,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      };
    },
  };
}

/** Report what the provider did, with no value that is a secret. */
function report(provider) {
  const names = [
    'device_authorization.success', 'device_authorization.error', 'grant.success', 'grant.error',
    'grant.revoked', 'revocation.error', 'server_error',
  ];
  for (const name of names) {
    provider.on(name, (ctx, error) => tell(name, {
      at: Date.now(),
      client_id: ctx?.oidc?.client?.clientId,
      grant_type: ctx?.oidc?.params?.grant_type,
      // The second argument of grant.revoked is a grant's id, which is nobody's business.
      error: error instanceof Error ? error.error ?? error.message : undefined,
    }));
  }
}

/** Self-signed certificates are for the provider to judge, so that the handshake takes any. */
function askForCertificate(settings) {
  if (!settings.client_ca_file) return {};
  return { requestCert: true, rejectUnauthorized: false, ca: readFileSync(settings.client_ca_file) };
}

/** Serve. */
async function start(settings) {
  const { url: issuer, handle } = await listen(settings, askForCertificate(settings));
  const provider = new Provider(issuer, configuration(settings));
  if (settings.interval !== undefined) {
    provider.use(async (ctx, next) => {
      await next();
      if (ctx.oidc?.route === 'device_authorization' && ctx.status === 200) ctx.body.interval = settings.interval;
    });
  }
  report(provider);
  handle(provider.callback());
  tell('ready', { issuer });
}

serve(start);
