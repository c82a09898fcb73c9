// Node's own HTTP/2 as an HBONE client: one scenario a run, one line of JSON at the end.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';

const o = JSON.parse(process.argv[2]);
const say = (value) => console.log(JSON.stringify(value));
const file = (path) => (path ? fs.readFileSync(path) : undefined);
process.on('uncaughtException', (e) => { say({ error: String(e.code ?? e.message) }); process.exit(2); });

const session = http2.connect(`https://${o.host}:${o.port}`, {
  key: file(o.key), cert: file(o.cert), ca: file(o.ca), ALPNProtocols: ['h2'], checkServerIdentity: () => undefined,
  settings: o.settings,
});
session.on('error', (e) => { say({ error: String(e.code ?? e.message) }); process.exit(2); });

function connect(authority, headers = {}) {
  return session.request({ ':method': 'CONNECT', ':authority': authority, ...headers });
}

function opened(stream) {
  return new Promise((resolve, reject) => { stream.once('response', resolve); stream.once('error', reject); });
}

async function readAll(stream, hash = crypto.createHash('sha256')) {
  let length = 0;
  for await (const chunk of stream) { hash.update(chunk); length += chunk.length; }
  return { length, hash: hash.digest('hex') };
}

async function writeAll(stream, bytes) {
  const block = Buffer.alloc(65536, (i) => i);
  for (let i = 0; i < block.length; i++) block[i] = (i * 31) % 251;
  for (let left = bytes; left > 0; left -= block.length) {
    if (!stream.write(left < block.length ? block.subarray(0, left) : block)) await new Promise((done) => stream.once('drain', done));
  }
}

const scenarios = {
  async echo() {
    const stream = connect('10.0.0.1:80', o.headers);
    const headers = await opened(stream);
    const reading = readAll(stream);
    await writeAll(stream, o.bytes);
    stream.end();
    say({ status: headers[':status'], baggage: headers.baggage, ...(await reading) });
  },
  async many() {
    const results = await Promise.all(Array.from({ length: o.streams }, async (_, i) => {
      const stream = connect(`10.0.0.1:${i + 1}`);
      await opened(stream);
      const reading = readAll(stream);
      await writeAll(stream, o.bytes);
      stream.end();
      return (await reading).length;
    }));
    say({ lengths: results });
  },
  async status() {
    const stream = connect('10.0.0.1:80');
    const headers = await opened(stream);
    const body = await readAll(stream);
    say({ status: headers[':status'], length: body.length, rst: stream.rstCode });
  },
  async clientClosesFirst() {
    const stream = connect('10.0.0.1:80');
    await opened(stream);
    stream.end('bye');
    let text = '';
    for await (const chunk of stream) text += chunk;
    say({ text });
  },
  async serverClosesFirst() {
    const stream = connect('10.0.0.1:80');
    await opened(stream);
    let text = '';
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
    stream.end('after');
    await new Promise((done) => stream.once('close', done));
    say({ text, rst: stream.rstCode });
  },
  async reset() {
    const stream = connect('10.0.0.1:80');
    await opened(stream);
    stream.write('x');
    stream.close(o.code);
    await new Promise((done) => stream.once('close', done));
    const next = connect('10.0.0.1:80');
    say({ status: (await opened(next))[':status'] });
  },
  async goaway() {
    const stream = connect('10.0.0.1:80');
    await opened(stream);
    // Twice: no limit first, then the last stream.
    const first = [];
    const gone = new Promise((done) => session.on('goaway', (code, last) => (first.push(last) === 2 ? done({ code, first: first[0], last }) : 0)));
    say({ open: true });
    const goaway = await gone;
    stream.end('late');
    say({ ...goaway, ...(await readAll(stream)) });
  },
};

await scenarios[o.scenario]();
session.close();
