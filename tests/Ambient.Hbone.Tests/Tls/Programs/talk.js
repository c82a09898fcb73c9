// Node's TLS as a peer: what comes on standard input is sent, what comes from the peer is shown.
// node talk.js client|server PORT FOLDER FRAGMENT
'use strict';
const fs = require('fs');
const path = require('path');
const tls = require('tls');

const [, , role, port, folder, fragment] = process.argv;
const read = (name) => fs.readFileSync(path.join(folder, name));
const options = {
  host: '127.0.0.1',
  port: Number(port),
  cert: read('cert-chain.pem'),
  key: read('key.pem'),
  ca: read('root-cert.pem'),
  minVersion: 'TLSv1.3',
  ALPNProtocols: ['h2'],
  requestCert: true,
  rejectUnauthorized: true,
  checkServerIdentity: () => undefined,
};

function talk(socket) {
  socket.setMaxSendFragment(Number(fragment));
  socket.on('data', (data) => process.stdout.write(data));
  socket.on('end', () => socket.end());
  socket.on('error', (e) => console.error(`failed: ${e.message}`));
  process.stdin.on('data', (data) => socket.write(data));
  process.stdin.on('end', () => socket.end());
  console.log(`open: ${socket.getProtocol()} ${socket.alpnProtocol}`);
}

if (role === 'client') {
  const socket = tls.connect(options, () => talk(socket));
  socket.on('error', (e) => console.error(`failed: ${e.message}`));
} else {
  const server = tls.createServer(options, (socket) => { server.close(); talk(socket); });
  server.on('tlsClientError', (e) => console.error(`failed: ${e.message}`));
  server.listen(options.port, options.host, () => console.log('listening'));
}
