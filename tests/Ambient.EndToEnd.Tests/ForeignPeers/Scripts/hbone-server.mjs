// Node's own HTTP/2 as an HBONE server with mutual TLS. The authority says how to behave; events go out as lines of JSON.
import fs from 'node:fs';
import http2 from 'node:http2';

const o = JSON.parse(process.argv[2]);
const say = (value) => console.log(JSON.stringify(value));
const server = http2.createSecureServer({
  key: fs.readFileSync(o.key), cert: fs.readFileSync(o.cert), ca: fs.readFileSync(o.ca),
  requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', settings: o.settings,
});

server.on('secureConnection', (socket) => say({
  event: 'tls', protocol: socket.getProtocol(), cipher: socket.getCipher().standardName, alpn: socket.alpnProtocol,
  servername: socket.servername, san: socket.getPeerCertificate().subjectaltname,
}));
server.on('tlsClientError', (e) => say({ event: 'tlsClientError', code: e.code }));
server.on('session', (session) => {
  session.on('goaway', (code, last) => say({ event: 'goaway', code, last }));
  session.on('close', () => say({ event: 'close' }));
});

// Node routes CONNECT to 'connect' only where there is a 'request' listener too.
server.on('request', () => {});
server.on('connect', async (request, response) => {
  const stream = response.stream;
  const authority = request.headers[':authority'];
  stream.on('error', (e) => say({ event: 'error', authority, code: e.code }));
  say({ event: 'connect', authority, headers: request.headers, pseudo: Object.keys(request.headers).filter((name) => name[0] === ':') });
  const ok = () => stream.respond({ ':status': 200, baggage: 'k=v' });
  switch (authority) {
    case 'echo:80':
      ok();
      stream.pipe(stream);
      break;
    case 'refuse:80':
      stream.respond({ ':status': 403 }, { endStream: true });
      break;
    case 'server-first:80': {
      ok();
      stream.end('hello');
      let text = '';
      for await (const chunk of stream) text += chunk;
      say({ event: 'text', text });
      break;
    }
    case 'client-first:80': {
      ok();
      let text = '';
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
      stream.end(`got ${text}`);
      break;
    }
    case 'reset:80':
      ok();
      stream.write('x', () => stream.destroy(new Error('on purpose')));
      break;
    case 'no-answer:80':
      stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      break;
    case 'goaway:80':
      ok();
      stream.session.close();
      stream.pipe(stream);
      break;
    case 'destroy:80':
      ok();
      stream.write('x', () => stream.session.destroy());
      break;
    default:
      stream.respond({ ':status': 404 }, { endStream: true });
  }
});

server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));
