/**
 * What servers on Node have in common here; each server.mjs beside this says what is served.
 *
 * The first line on stdin is one JSON object of settings (clients' secrets travel there because a process
 * list shows arguments); stdin then stays open as the life line: when it closes, or on SIGTERM, the server
 * ends. stdout carries one JSON object a line: first {"event": "ready", ...}, then what the server reports.
 * Notices for people go to stderr.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createInterface } from 'node:readline';

// Some packages print notices with these, which would get between the lines of JSON.
console.info = console.error;
console.log = console.error;

/** One line of JSON on stdout. */
export function tell(event, fields) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

/**
 * Listen on settings.host and settings.port (127.0.0.1; 0 lets the system choose), with https if there are
 * cert_file and key_file; `more` are further options of TLS. Returns the URL, and what sets the handler: with
 * port 0 the URL that a server needs is known only afterwards.
 */
export async function listen(settings, more = {}) {
  const tls = settings.cert_file
    ? { cert: readFileSync(settings.cert_file), key: readFileSync(settings.key_file), ...more }
    : undefined;
  let answer = (request, response) => response.writeHead(503).end();
  const handler = (request, response) => answer(request, response);
  const server = tls ? https.createServer(tls, handler) : http.createServer(handler);
  const host = settings.host ?? '127.0.0.1';
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port ?? 0, host, resolve);
  });
  const url = `${tls ? 'https' : 'http'}://${host}:${server.address().port}`;
  return { url, handle: (given) => { answer = given; } };
}

/** Read the settings, and let start(settings) serve until nobody wants it any more. */
export function serve(start) {
  process.on('SIGTERM', () => process.exit(0));
  const lines = createInterface({ input: process.stdin });
  // Whoever started us is gone, whatever the way it went: no orphan stays behind.
  lines.on('close', () => process.exit(0));
  lines.once('line', (line) => {
    start(JSON.parse(line)).catch((error) => {
      console.error(error);
      process.exit(1);
    });
  });
}
