// One connection for all channels of the page, over SSE, a Comet iframe or a WebSocket;
// whenever it is opened again it continues from the position it has.

// The clock ticks each second. A connection that says nothing for so long is dead, whether the
// browser knows or not; an iframe whose server is gone tells nobody in Firefox.
const FIRST_ITEM_MS = 5_000;
const NEXT_ITEM_MS = 15_000;

const TRANSPORTS = { sse: openSse, comet: openComet, ws: openWebSocket };

export class Stream {
  #channels;
  #handlers;
  #transport;
  #position;
  #close = () => {};
  #timer;
  #failures = 0;

  // handlers: opened(), item(item, position), state("connecting" | "live" | "reconnecting")
  constructor(channels, handlers) {
    this.#channels = channels;
    this.#handlers = handlers;
  }

  open(transport) {
    this.#transport = transport;
    this.#failures = 0;
    this.#connect();
  }

  #connect() {
    this.#close();
    this.#expectWithin(FIRST_ITEM_MS);
    this.#handlers.state(this.#failures ? "reconnecting" : "connecting");

    let current = true;
    const close = TRANSPORTS[this.#transport](this.#url(), {
      opened: () => current && this.#handlers.opened(),
      item: (item, position) => current && this.#item(item, position),
      waiting: () => current && this.#handlers.state("reconnecting"),
      end: position => current && this.#ended(position),
    });
    this.#close = () => {
      current = false;
      close();
    };
  }

  #url() {
    const query = new URLSearchParams(this.#channels.map(name => ["channel", name]));
    if (this.#position === undefined) query.set("history", "60");
    else query.set("since", this.#position);
    return `/live?${query}`;
  }

  #item(item, position) {
    this.#position = position;
    this.#failures = 0;
    this.#expectWithin(NEXT_ITEM_MS);
    this.#handlers.state("live");
    this.#handlers.item(item, position);
  }

  #ended(position) {
    this.#close();
    // What the iframe says is where its session began.
    this.#position ??= position;
    this.#failures += 1;
    this.#handlers.state("reconnecting");
    this.#after(Math.min(this.#failures, 10) * 1_000, () => this.#connect());
  }

  #expectWithin(delay) {
    this.#after(delay, () => this.#ended());
  }

  // There is one thing to wait for at a time.
  #after(delay, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, delay);
  }
}

function openSse(url, { opened, item, waiting, end }) {
  const source = new EventSource(url);
  source.onopen = opened;
  source.onmessage = event => item(JSON.parse(event.data), event.lastEventId);
  // An EventSource comes back by itself and says Last-Event-ID, unless the answer was no event stream.
  source.onerror = () => (source.readyState === EventSource.CLOSED ? end() : waiting());
  return () => source.close();
}

function openComet(url, { opened, item, end }) {
  window.cometMessage = (message, { position }) => item(message, position);
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.title = "Comet socket";
  // A forever iframe is loaded when its response has ended.
  frame.onload = () => end(lastPosition(frame));
  frame.src = `${url}&callback=parent.cometMessage`;
  document.body.append(frame);
  opened();
  return () => {
    frame.onload = null;
    frame.remove();
  };
}

function openWebSocket(url, { opened, item, end }) {
  const address = new URL(`${url}&transport=ws`, location);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.onopen = opened;
  socket.onmessage = event => {
    const message = JSON.parse(event.data);
    item(message, message.position);
  };
  socket.onclose = () => end();
  return () => {
    socket.onclose = null;
    socket.close();
  };
}

function lastPosition(frame) {
  try {
    return frame.contentWindow.encke?.position;
  } catch {
    return undefined; // the browser's own error page, which nobody may look into
  }
}
