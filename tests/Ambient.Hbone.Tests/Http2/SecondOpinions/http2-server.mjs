// Serves HTTP/2 with Node's library on a loopback port, which it prints, and answers each request with what it has read, as JSON. Ends with its stdin.
import http2 from 'node:http2';

const server = http2.createServer({ maxHeaderListPairs: 400, settings: { maxHeaderListSize: 60 * 1024 } });
server.on('stream', (stream, headers, flags, raw) => {
  let length = 0;
  stream.on('data', piece => { length += piece.length; });
  stream.on('end', () => {
    const answer = Buffer.from(JSON.stringify({ fields: raw, length }));
    stream.respond({ ':status': 200 });
    stream.end(answer);
  });
  stream.on('error', () => {});
});
server.on('sessionError', () => {});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit());
process.stdin.resume();
