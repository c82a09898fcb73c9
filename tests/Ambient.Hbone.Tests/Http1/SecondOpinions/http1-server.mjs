// Serves HTTP/1.1 with Node's parser on a loopback port, which it prints, and answers each request with what it has read, as JSON. Ends with its stdin.
import http from 'node:http';

const server = http.createServer({ maxHeaderSize: 60 * 1024 }, (request, response) => {
  const pieces = [];
  request.on('data', piece => pieces.push(piece));
  request.on('end', () => {
    const read = {
      method: request.method,
      target: request.url,
      fields: request.rawHeaders,
      body: Buffer.concat(pieces).toString('hex'),
      trailers: request.rawTrailers,
    };
    const answer = Buffer.from(JSON.stringify(read));
    response.setHeader('content-length', answer.length);
    response.end(answer);
  });
});

// What was read before is answered first.
server.on('clientError', (error, socket) =>
  setTimeout(() => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'), 10));
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit());
process.stdin.resume();
