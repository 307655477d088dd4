// The page of the cluster: what its processes are doing, people who talk through them, and an account of every message.
// Nothing that it is told is ever taken for markup.

const $ = (id) => document.getElementById(id);
const address = (path) => new URL(path, location.href.replace(/^http/, "ws"));

function node(tag, className, text) {
  const n = document.createElement(tag);
  n.className = className;
  if (text !== undefined) n.textContent = text;
  return n;
}

// setText leaves alone what does not change, so that a screen reader is told of changes only.
function setText(n, text) {
  if (n.textContent !== String(text)) n.textContent = text;
}

const count = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

// backoff is how long to wait before an attempt, in milliseconds.
const backoff = (attempt) => Math.min(3000, 150 * 2 ** attempt) * (0.6 + Math.random() * 0.8);

// ---- the account

// A message is known by its key. It is confirmed when a node has answered that the broker has it; from then on each person who was in the
// room when it was said is owed it, wherever that person is.
const ledger = {
  open: new Map(), // key → {room, confirmed: when, owed: Set of persons}
  confirmed: 0,
  twice: 0,
  told: 0, // owed ones that a person was told are gone
  returns: 0, // times that a person came back and was given what it had missed
  given: 0, // messages given so

  say(key, room) {
    this.open.set(key, { confirmed: 0, owed: new Set(people.filter((p) => p.room === room && p.since)) });
  },
  confirm(key) {
    const m = this.open.get(key);
    if (!m || m.confirmed) return;
    m.confirmed = Date.now();
    this.confirmed++;
    this.settle(key, m);
  },
  receive(key, person) {
    const m = this.open.get(key);
    m?.owed.delete(person);
    if (m) this.settle(key, m);
  },
  settle(key, m) {
    if (m.confirmed && !m.owed.size) this.open.delete(key);
  },
  // forgive takes a person out of all accounts: it has gone, or was told that messages are gone.
  forgive(person) {
    let n = 0;
    for (const [key, m] of this.open) {
      if (m.owed.delete(person) && m.confirmed) n++;
      this.settle(key, m);
    }
    return n;
  },
  // owed is what is on its way; lost is what a person should have had: it hears everything, and for a while.
  sums() {
    let owed = 0;
    let lost = 0;
    for (const m of this.open.values()) {
      if (!m.confirmed) continue;
      for (const p of m.owed) {
        if (p.live && Date.now() - Math.max(m.confirmed, p.live) > 5000) lost++;
        else owed++;
      }
    }
    return { owed, lost };
  },
};

function showLedger() {
  const { owed, lost } = ledger.sums();
  const waiting = people.reduce((n, p) => n + p.unheard.size, 0);
  const away = people.filter((p) => !p.live);
  setText($("confirmed"), ledger.confirmed);
  setText($("lost"), lost);
  setText($("twice"), ledger.twice);
  setText($("owed"), owed + waiting);
  $("lost").classList.toggle("wrong", lost > 0);
  $("twice").classList.toggle("wrong", ledger.twice > 0);

  let kind = "good";
  let text = "Nothing has been said yet.";
  if (lost) {
    kind = "bad";
    text = `${count(lost, "message")} that the broker had confirmed did not arrive.`;
  } else if (ledger.twice) {
    kind = "bad";
    text = `${count(ledger.twice, "message")} arrived twice.`;
  } else if (away.length || (machines.get("broker")?.state ?? "up") !== "up") {
    kind = "waiting";
    text = away.length ? `${names(away)} ${away.length === 1 ? "is" : "are"} not connected; what is said meanwhile waits.` : "The broker is away; what is said waits with whoever said it.";
  } else if (ledger.told) {
    text = `Everybody has what was confirmed, or was told of the gap: ${count(ledger.told, "message")} in a resync.`;
  } else if (ledger.returns) {
    text = `Everybody has every message that was confirmed: ${count(ledger.returns, "reconnect")}, ${count(ledger.given, "missed message")} given back.`;
  } else if (ledger.confirmed) {
    text = "Everybody has every message that was confirmed.";
  }
  $("verdict").dataset.verdict = kind;
  setText($("verdict-text"), text);
}

function names(persons) {
  const all = persons.map((p) => p.name);
  return all.length < 2 ? all.join() : all.slice(0, -1).join(", ") + " and " + all.at(-1);
}

// ---- processes

const machines = new Map(); // name → the last that was heard of it
const cards = new Map(); // name → its card
let control = null;
let controlAttempt = 0;

function watch() {
  control = new WebSocket(address("control"));
  control.onopen = () => {
    controlAttempt = 0;
    $("link").dataset.state = "up";
    setText($("link-text"), "live");
  };
  control.onmessage = (e) => {
    const m = JSON.parse(e.data);
    if (m.type === "error") return setText($("refused"), m.detail);
    if (m.type !== "node" && m.type !== "broker") return;
    machines.set(m.name, m);
    showMachine(m);
    showLedger();
  };
  control.onclose = () => {
    $("link").dataset.state = "down";
    setText($("link-text"), "The program has ended. Waiting for it…");
    setTimeout(watch, backoff(controlAttempt++));
  };
}

function command(type, process) {
  setText($("refused"), "");
  if (control.readyState === WebSocket.OPEN) control.send(JSON.stringify({ type, process }));
}

class Card {
  constructor(name) {
    this.root = node("article", "process");
    this.root.dataset.name = name;
    const title = node("h3", "", name);
    title.id = "title-" + name;
    this.root.setAttribute("aria-labelledby", title.id);
    this.how = node("span", "how");
    const head = node("div", "name");
    head.append(node("span", "dot"), title, this.how);
    this.buttons = node("div", "buttons");
    this.kill = this.button(name, "kill", "Kill", `Kill ${name} by SIGKILL`);
    this.drain = this.button(name, "drain", "Drain", `Let ${name} end in order`);
    this.restore = this.button(name, "restore", "Restore", `Start ${name} again`);
    this.figures = node("div", "figures");
    this.root.append(head, this.buttons, this.figures);
    this.why = node("p", "why");
    this.numbers = new Map();
    this.rates = [];
  }

  button(process, type, text, title) {
    const b = node("button", "small " + type, text);
    b.type = "button";
    b.title = title;
    b.setAttribute("aria-label", `${text} ${process}`);
    b.onclick = () => command(type, process);
    this.buttons.append(b);
    return b;
  }

  // figure shows a number, and what it counts.
  figure(what, value, label = what) {
    let f = this.numbers.get(what);
    if (!f) {
      f = { value: node("b", ""), label: node("span", "") };
      const place = node("div", "");
      place.append(f.value, f.label);
      this.figures.append(place);
      this.numbers.set(what, f);
    }
    setText(f.value, value);
    setText(f.label, label);
  }

  show(m) {
    const runs = m.state !== "down";
    const held = this.buttons.contains(document.activeElement); // the keyboard's place stays in the card
    this.root.dataset.state = m.state;
    setText(this.how, runs ? (m.state === "up" ? `pid ${m.pid}` : `${m.state}, pid ${m.pid}`) : `down: ${m.why}`);
    this.kill.hidden = !runs;
    this.drain.hidden = m.state !== "up";
    this.restore.hidden = runs;
    if (held && document.activeElement.hidden) (runs ? this.kill : this.restore).focus();
    if (held && document.activeElement === document.body) (runs ? this.kill : this.restore).focus();
    setText(this.why, runs && m.why ? m.why : "");
    if (this.why.textContent && !this.why.isConnected) this.root.append(this.why);
    if (!this.why.textContent) this.why.remove();
  }

  // rate is by how much a number grew in the last second.
  rate(total) {
    const now = performance.now();
    const past = this.rates;
    if (past.length && total < past.at(-1).total) past.length = 0; // a new process
    past.push({ now, total });
    while (past.length > 80) past.shift();
    const before = past.find((p) => now - p.now <= 1100) ?? past[0];
    past.at(-1).rate = now > before.now ? ((total - before.total) * 1000) / (now - before.now) : 0;
    return past.at(-1).rate;
  }

  spark() {
    if (!this.line) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("class", "spark");
      svg.setAttribute("viewBox", "0 0 79 20");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      this.line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      for (const [k, v] of Object.entries({ fill: "none", stroke: "currentColor", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke", "stroke-linejoin": "round" })) this.line.setAttribute(k, v);
      svg.append(this.line);
      this.figures.append(svg);
    }
    const top = Math.max(4, ...this.rates.map((p) => p.rate));
    const from = 80 - this.rates.length;
    this.line.setAttribute("points", this.rates.map((p, i) => `${from + i},${(19 - (18 * p.rate) / top).toFixed(1)}`).join(" "));
  }
}

function showMachine(m) {
  let card = cards.get(m.name);
  if (!card) {
    cards.set(m.name, (card = new Card(m.name)));
    $(m.type === "broker" ? "broker" : "nodes").append(card.root);
  }
  card.show(m);
  if (m.type === "broker") {
    card.figure("messages kept", m.messages);
    card.figure("KiB in its files", Math.ceil(m.bytes / 1024));
    return;
  }
  const rate = card.rate(m.deliveries);
  card.figure("conns", m.conns, m.conns === 1 ? "connection" : "connections");
  card.figure("rooms", m.rooms, m.rooms === 1 ? "room" : "rooms");
  card.figure("deliveries/s", Math.round(rate));
  card.spark();
  showGuests(m.name);
}

// showGuests shows who of this page is on a node.
function showGuests(name) {
  const card = cards.get(name);
  if (!card) return;
  const here = people.filter((p) => p.node === name && p.live).map((p) => p.name);
  if (card.shown === here.join()) return;
  card.shown = here.join();
  if (!card.guests) {
    card.guests = node("ul", "guests");
    card.guests.setAttribute("aria-label", "People of this page on " + name);
    card.root.append(card.guests);
  }
  const kept = new Map([...card.guests.children].map((li) => [li.textContent, li]));
  card.guests.replaceChildren(...(here.length ? here.map((who) => kept.get(who) ?? node("li", "", who)) : [node("li", "nobody", "nobody of this page")]));
}

// ---- people

const people = [];
const known = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hugo", "Ida", "Jon"];
const longest = 200; // rows of a log
const visit = Math.random().toString(36).slice(2, 8); // of this page, so that no other one uses its keys
let keys = 0;

// A Person is a client of the chat: one socket to whichever node answers, the last position that it knows, and what it said and nobody has
// confirmed yet.
class Person {
  constructor(name, room) {
    this.name = name;
    this.room = room;
    this.at = ""; // its position: what it presents to have what it missed
    this.node = ""; // the one that it is on, or was
    this.live = 0; // since when it hears everything; 0: it does not
    this.since = 0; // when it first did
    this.missed = 0; // messages that are still to come of those it missed
    this.attempt = 0;
    this.held = false; // somebody wants it to stay away
    this.unheard = new Map(); // key → text
    this.seen = new Map(); // key → its position
    this.build();
    this.connect();
  }

  build() {
    this.root = node("article", "person");
    const title = node("h3", "", this.name);
    title.id = "person-" + this.name;
    this.root.setAttribute("aria-labelledby", title.id);
    this.place = node("span", "at", "…");
    const where = node("div", "where");
    where.append(this.place, node("span", "", "# " + this.room));
    this.toggle = node("button", "small", "Go offline");
    this.toggle.type = "button";
    this.toggle.onclick = () => this.hold(!this.held);
    const leave = node("button", "icon", "✕");
    leave.type = "button";
    leave.title = "Remove " + this.name;
    leave.setAttribute("aria-label", leave.title);
    leave.onclick = () => this.leave();
    const head = node("header", "");
    head.append(title, where, this.toggle, leave);
    this.log = node("ol", "log");
    this.log.tabIndex = 0;
    this.log.setAttribute("aria-label", `What ${this.name} hears`);
    const form = node("form", "");
    this.input = node("input", "");
    this.input.maxLength = 500;
    this.input.placeholder = "Say something";
    this.input.setAttribute("aria-label", "Say something as " + this.name);
    this.input.autocomplete = "off";
    const say = node("button", "small", "Say");
    form.append(this.input, say);
    form.onsubmit = (e) => {
      e.preventDefault();
      const text = this.input.value.trim();
      if (text) this.say(text);
      this.input.value = "";
    };
    this.root.append(head, this.log, form);
    $("people").append(this.root);
  }

  // ---- the connection

  connect() {
    clearTimeout(this.timer);
    const url = address("ws/" + encodeURIComponent(this.room));
    url.searchParams.set("name", this.name);
    if (this.at) url.searchParams.set("resume", JSON.stringify({ [this.room]: this.at }));
    const s = new WebSocket(url);
    this.socket = s;
    s.onmessage = (e) => {
      if (s === this.socket) this.receive(JSON.parse(e.data));
    };
    s.onclose = (e) => {
      if (s === this.socket) this.lost(e);
    };
  }

  lost(e) {
    if (this.live) {
      const why = e.code === 1001 ? `${this.node} is shutting down` : `the connection to ${this.node} broke`;
      this.note(this.held ? "offline" : why, "gone");
    }
    this.live = 0;
    this.socket = null;
    this.show();
    if (!this.held) this.timer = setTimeout(() => this.connect(), backoff(this.attempt++));
  }

  hold(held) {
    this.held = held;
    this.toggle.textContent = held ? "Come back" : "Go offline";
    if (!held) {
      this.attempt = 0;
      if (!this.socket) this.connect();
      return;
    }
    clearTimeout(this.timer);
    if (this.socket) this.socket.close();
    this.show();
  }

  leave() {
    this.held = true;
    clearTimeout(this.timer);
    const s = this.socket;
    this.socket = null;
    s?.close();
    people.splice(people.indexOf(this), 1);
    ledger.forgive(this);
    for (const key of this.unheard.keys()) ledger.open.delete(key);
    this.root.remove();
    for (const name of cards.keys()) if (name !== "broker") showGuests(name);
    showLedger();
    $("add").querySelector("button").focus();
  }

  show() {
    const name = this.node;
    this.root.dataset.node = this.live ? name : "";
    setText(this.place, this.live ? name : this.held ? "offline" : "looking for a node…");
    for (const name of cards.keys()) if (name !== "broker") showGuests(name);
    showLedger();
  }

  // ---- messages

  receive(m) {
    const p = m.position ?? null;
    const handler = { welcome: this.welcome, joined: this.joined, resync: this.resync, said: this.said, heard: this.heard, error: this.refused }[m.type];
    handler?.call(this, m);
    if (p?.room === this.room) this.at = p.at; // after it was handled: what breaks in between comes again
  }

  welcome(m) {
    this.node = m.node;
  }

  // joined: from now on this person hears everything, and first what it missed, if that is known.
  joined(m) {
    this.attempt = 0;
    this.live = Date.now();
    this.since ||= this.live;
    this.missed = m.recovered ? (m.missed ?? 0) : 0;
    if (m.recovered) {
      ledger.returns++;
      ledger.given += this.missed;
      this.note(`on ${this.node}: recovered, ${this.missed} missed`, "recovered");
    } else if (m.recovered === undefined) this.note("on " + this.node, "");
    this.show();
    for (const [key, text] of this.unheard) this.send(key, text); // under the same keys: who has seen one does not show it again
  }

  resync(m) {
    const gone = ledger.forgive(this);
    ledger.told += gone;
    this.note(`on ${this.node}: resync, ${m.reason}` + (gone ? `; ${count(gone, "message")} missed for good` : ""), "resync");
    this.show();
  }

  said(m) {
    const missed = this.missed > 0;
    if (missed) this.missed--;
    const at = m.position?.at;
    if (this.seen.has(m.key)) {
      if (this.seen.get(m.key) === at) ledger.twice++; // else its author said it twice, not knowing whether it had arrived
      return;
    }
    this.seen.set(m.key, at);
    if (this.seen.size > 10_000) this.seen.delete(this.seen.keys().next().value);
    const other = m.key.split("-")[1] !== visit; // of another page, whose people may have the same names
    this.row(m.from, m.text, (other ? " other" : m.from === this.name ? " mine" : "") + (missed ? " missed" : ""));
    ledger.receive(m.key, this);
    showLedger();
  }

  heard(m) {
    this.unheard.delete(m.key);
    ledger.confirm(m.key);
    showLedger();
  }

  // refused: the broker is away, and the message is said again when that may have changed.
  refused(m) {
    if (m.code !== "unavailable") return this.note(m.detail, "gone");
    const again = this.unheard.get(m.id);
    if (again !== undefined) setTimeout(() => this.unheard.has(m.id) && this.send(m.id, again), 500);
  }

  say(text) {
    const key = `${this.name.toLowerCase()}-${visit}-${++keys}`;
    this.unheard.set(key, text);
    ledger.say(key, this.room);
    this.send(key, text);
    showLedger();
  }

  send(key, text) {
    if (this.live && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "say", id: key, key, text }));
  }

  // ---- its log

  note(text, kind) {
    this.append(node("li", "note " + kind, text));
  }

  row(who, text, kind) {
    const li = node("li", "said" + kind);
    li.append(node("b", "", who), node("span", "", text));
    this.append(li);
  }

  append(li) {
    const log = this.log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    log.append(li);
    while (log.children.length > longest) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

// ---- the talk

// What they say is numbered by room, so that eyes can see that nothing is missing.
const lines = ["Is the kettle on?", "It was, a minute ago.", "Who has the blue pen?", "Not me.", "The tram is late again.", "So am I.", "Did you see the fog?", "All of it.",
  "Lunch at one?", "Make it half past.", "My plant has a new leaf.", "Ours has a name.", "It rains on the terrace.", "The terrace is used to it.", "One more of these.", "And then another."];
const numbers = new Map(); // room → of its last line
let talking = true;
let turn = 0;

function talk() {
  if (!talking) return;
  const able = people.filter((p) => p.live && p.unheard.size < 20);
  if (!able.length) return;
  const p = able[turn++ % able.length];
  const n = (numbers.get(p.room) ?? 0) + 1;
  numbers.set(p.room, n);
  p.say(`${n} · ${lines[(n - 1) % lines.length]}`);
}

// ---- what the visitor does

function add(room) {
  const name = known.find((n) => !people.some((p) => p.name === n)) ?? "Guest " + ++keys;
  const p = new Person(name, room);
  people.push(p);
  return p;
}

$("add").onsubmit = (e) => {
  e.preventDefault();
  add($("room").value).root.scrollIntoView({ block: "nearest" });
};
$("talk").onclick = () => {
  talking = !talking;
  $("talk").textContent = talking ? "Pause the talk" : "Let them talk";
};
$("theme").onclick = () => {
  const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  theme(now === "dark" ? "light" : "dark");
};

function theme(name) {
  if (name !== "dark" && name !== "light") return;
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}

theme(localStorage.getItem("theme"));
watch();
for (let i = 0; i < 4; i++) add("lobby");
setInterval(talk, 600);
setInterval(showLedger, 1000);
