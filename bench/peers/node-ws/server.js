// npm ws and node's own HTTP responses: `node server.js PORT`.
// A message is framed once and written to every socket as it is, the quickest way there is with ws.
import { createServer } from 'node:http'
import { Sender, WebSocketServer } from 'ws'

const channels = new Map()

function channel(name) {
  if (!channels.has(name)) channels.set(name, { sockets: new Set(), streams: new Set() })
  return channels.get(name)
}

function publish({ sockets, streams }, message) {
  const text = { fin: true, opcode: 1, mask: false, rsv1: false, readOnly: true }
  const frame = sockets.size && Buffer.concat(Sender.frame(message, text))
  for (const socket of sockets) socket._socket.write(frame)
  const event = streams.size && Buffer.from(`data: ${message}\n\n`)
  for (const stream of streams) stream.write(event)
}

function join(members, member) {
  members.add(member)
  member.on('close', () => members.delete(member))
}

const server = createServer((request, response) => {
  const [, kind, name] = request.url.split('/')
  if (kind === 'sse') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.flushHeaders()
    join(channel(name).streams, response)
    return
  }
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    publish(channel(name), Buffer.concat(parts))
    response.end('ok')
  })
})

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
server.on('upgrade', (request, connection, head) => {
  const [, kind, name] = request.url.split('/')
  sockets.handleUpgrade(request, connection, head, (socket) => {
    if (kind === 'ws') join(channel(name).sockets, socket)
    else socket.on('message', (message, binary) => socket.send(message, { binary }))
  })
})

server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })
