// The page of the chat: one socket for the room that is shown, and nothing it is told is ever taken for markup.

const $ = (id) => document.getElementById(id);
const roomButtons = [...document.querySelectorAll("[data-room]")];

let room = new URLSearchParams(location.search).get("room") || "1";
let name = sessionStorage.getItem("name") || ""; // per tab, so that two tabs can be two people
let joined = false;
let wanted = false; // join again after a lost connection
let leaving = false; // we asked to leave; another word of our leaving is of the connection that was lost
let position = null; // {room, at}: the last that we know, to be given what is missed while the connection is lost
let missed = 0; // what is still to come of that
let back = null; // {row, said} of the event that says how many messages were missed
let socket = null;
let attempts = 0;
let timer = 0; // of the next attempt
let members = [];
let typists = new Map(); // name → when to forget it
let shown = new Set(); // messages on the page, by place and time
let last = null; // newest message on the page, if nothing else came after it

// ---- the connection

function connect() {
  clearTimeout(timer);
  socket?.close();
  const url = new URL("ws/" + encodeURIComponent(room), location.href.replace(/^http/, "ws"));
  if (position?.room === room) url.searchParams.set("resume", JSON.stringify({ [room]: position.at }));
  const s = new WebSocket(url);
  socket = s;
  let opened = false;
  state("connecting", "Connecting…");
  s.onopen = () => {
    opened = true;
    attempts = 0;
    state("open", "Connected");
    notice("");
    enable();
    if (wanted) send({ type: "client_user_join", user_name: name });
  };
  s.onmessage = (e) => {
    if (s === socket) receive(JSON.parse(e.data));
  };
  s.onclose = async (e) => {
    if (s !== socket) return; // the room was changed
    forgetMembership();
    if (!opened && (await refused(s))) return;
    if (s === socket) retryLater(e);
  };
}

// refused asks once more without an upgrade: a browser hides from its page why a socket was refused.
async function refused(s) {
  let answer, body;
  try {
    answer = await fetch("ws/" + encodeURIComponent(room));
    body = await answer.json();
  } catch {
    return false; // the server is not there
  }
  if (s !== socket) return true;
  if (answer.status === 426 || answer.status >= 500) return false; // it would upgrade now
  wanted = false;
  state("refused", "Not connected");
  enable();
  empty("Choose a room to go on.");
  notice(`Room “${room}” was refused (${answer.status}): ${body.detail}`);
  return true;
}

function retryLater(e) {
  attempts++;
  const wait = Math.min(15000, 500 * 2 ** Math.min(attempts, 5)) * (0.75 + Math.random() / 2);
  let why = "The connection was lost.";
  if (e.code === 1001) why = "The server is restarting.";
  else if (e.reason) why = `The server closed the connection: ${e.reason}.`;
  const until = Date.now() + wait;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0) return connect();
    state("waiting", "Reconnecting", `in ${left} s`);
    timer = setTimeout(tick, Math.min(1000, Math.max(50, until - Date.now())));
  };
  tick();
  notice(why + " What you were writing is kept.", "retry");
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// ---- messages of the server

const handlers = {
  server_room_details(m) {
    $("title").textContent = "# " + m.room_name;
    document.title = m.room_name + " · Chat";
    showMembers(m.users);
  },
  joined(m) { // the room tells us everything from now on, and first what we missed, if it still knows
    if (m.recovered === undefined) return;
    missed = m.recovered ? (m.missed ?? 0) : 0;
    if (m.recovered) back = { row: showEvent("Back again, nothing was missed"), said: 0 };
  },
  resync(m) { // what was missed is gone; after a reconnect the last messages follow
    showEvent(m.reason === "epoch" ? "The server has begun anew and knows nothing of what was said before" : "Something that was said is missing here");
  },
  server_pending_messages(m) { // the answer to a join
    joined = wanted = true;
    sessionStorage.setItem("name", name);
    fault("name-fault", "");
    for (const said of m.messages) showSaid(said);
    enable();
    $("text").focus();
  },
  server_users_list(m) {
    showMembers(m.users);
  },
  server_user_join(m) {
    showEvent(`${m.user.user_name} joined`);
  },
  server_user_leave(m) {
    const who = m.user.user_name;
    if (who === name) {
      if (!leaving) return;
      leaving = wanted = false;
      forgetMembership();
      showEvent("You left");
      $("name").focus();
    } else {
      showEvent(`${who} left`);
    }
    typists.delete(who);
    showTyping();
    showMembers(members.filter((u) => u.user_name !== who));
  },
  server_user_message(m) {
    typists.delete(m.user.user_name);
    showTyping();
    showSaid(m);
  },
  server_user_typing(m) {
    if (missed) return; // it was long ago
    typists.set(m.user_name, Date.now() + 4000);
    showTyping();
  },
  error(m) {
    const text = m.issues?.length ? m.issues.map((i) => `${i.path.slice(1).replace("user_", "")} ${i.message}`).join("; ") : m.detail;
    if (joined) return fault("text-fault", text);
    wanted = false;
    enable();
    fault("name-fault", text);
    $("name").focus();
  },
};

function receive(m) {
  if (missed && m.type === "server_user_message") back.row.textContent = `Back again, ${++back.said} missed:`;
  handlers[m.type]?.(m);
  if (!m.position) return;
  position = m.position;
  if (missed && m.type !== "joined") missed--;
}

// ---- what is shown

// state keeps what changes every second out of what is read aloud.
function state(kind, text, detail = "") {
  $("state").dataset.state = kind;
  if ($("state-text").textContent !== text) $("state-text").textContent = text;
  $("state-detail").textContent = detail;
}

function notice(text, action) {
  $("notice").hidden = !text;
  $("notice-text").textContent = text;
  $("retry").hidden = action !== "retry";
  $("dismiss").hidden = action === "retry";
}

function fault(id, text) {
  $(id).textContent = text;
}

function enable() {
  const open = socket?.readyState === WebSocket.OPEN;
  const member = joined || wanted;
  $("join").hidden = member || $("state").dataset.state === "refused";
  $("compose").hidden = !member;
  $("leave").hidden = !joined;
  $("join").querySelector("button").disabled = !open;
  $("compose").querySelector("button").disabled = !open || !joined;
}

function forgetMembership() {
  joined = leaving = false;
  typists.clear();
  showTyping();
  enable();
}

function node(tag, className, text) {
  const n = document.createElement(tag);
  n.className = className;
  if (text !== undefined) n.textContent = text;
  return n;
}

function face(who) {
  const n = node("span", "face", [...who][0].toUpperCase());
  let hue = 7;
  for (const c of who) hue = (hue * 31 + c.codePointAt(0)) % 360;
  n.style.setProperty("--hue", hue);
  n.setAttribute("aria-hidden", "true");
  return n;
}

function showMembers(users) {
  members = users;
  $("count").textContent = users.length;
  $("nobody").hidden = users.length > 0;
  $("members").replaceChildren(...users.map((u) => {
    const li = node("li", "");
    li.title = u.user_name;
    li.append(face(u.user_name), u.user_name);
    if (joined && u.user_name === name) li.append(node("span", "you", "you"));
    return li;
  }));
}

function empty(text) {
  $("empty").hidden = !text;
  $("empty").textContent = text;
}

function append(n) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  empty("");
  log.append(n);
  if (atEnd) log.scrollTop = log.scrollHeight;
  else $("newer").hidden = false;
}

function showSaid(m) {
  const place = m.seq + " " + m.sent_at; // the same after a reconnect, another after a restart of the server
  if (shown.has(place)) return;
  shown.add(place);
  const who = m.user.user_name;
  const at = new Date(m.sent_at);
  const more = last && last.who === who && at - last.at < 300_000;
  last = { who, at };

  const n = node("li", "said" + (who === name ? " mine" : "") + (more ? " more" : ""));
  const head = node("p", "who");
  const time = node("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = m.sent_at;
  head.append(node("b", "", who === name ? "You" : who), " ", time);
  if (who !== name) n.append(face(who));
  n.append(head, node("p", "text", m.message));
  append(n);
}

function showEvent(text) {
  last = null;
  const row = node("li", "event", text);
  append(row);
  return row;
}

function showTyping() {
  const now = Date.now();
  for (const [who, until] of typists) if (until <= now) typists.delete(who);
  const who = [...typists.keys()];
  let text = "";
  if (who.length === 1) text = `${who[0]} is typing…`;
  else if (who.length === 2) text = `${who[0]} and ${who[1]} are typing…`;
  else if (who.length) text = "Several people are typing…";
  $("typing").textContent = text;
  if (who.length) setTimeout(showTyping, 1000);
}

function showRoom() {
  state("connecting", "Connecting…");
  for (const b of roomButtons) {
    if (b.dataset.room === room) b.setAttribute("aria-current", "true");
    else b.removeAttribute("aria-current");
  }
  $("title").textContent = "Room " + room;
  $("log").replaceChildren();
  empty("Nothing has been said here yet.\nOpen this page in a second tab to have company.");
  $("newer").hidden = true;
  shown.clear();
  last = position = null; // with an empty page there is nothing to go on from
  missed = 0;
  showMembers([]);
  notice("");
  fault("name-fault", "");
  fault("text-fault", "");
}

// ---- what the person does

$("join").onsubmit = (e) => {
  e.preventDefault();
  name = $("name").value.trim();
  if (!name) return fault("name-fault", "Say who you are.");
  send({ type: "client_user_join", user_name: name });
};

let typedAt = 0;
$("text").oninput = () => {
  fault("text-fault", "");
  if (joined && Date.now() - typedAt > 2500 && $("text").value) {
    typedAt = Date.now();
    send({ type: "client_user_typing" });
  }
};
$("text").onkeydown = (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("compose").requestSubmit();
  }
};
$("compose").onsubmit = (e) => {
  e.preventDefault();
  const message = $("text").value.trim();
  if (!message || !joined || socket.readyState !== WebSocket.OPEN) return;
  send({ type: "client_user_message", message });
  $("text").value = "";
  typedAt = 0;
  $("log").scrollTop = $("log").scrollHeight;
};

$("leave").onclick = () => {
  leaving = true;
  send({ type: "client_user_leave" });
};
$("dismiss").onclick = () => notice("");
$("retry").onclick = () => {
  attempts = 0;
  connect();
};
$("newer").onclick = () => {
  $("log").scrollTop = $("log").scrollHeight;
};
$("log").onscroll = () => {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 80) $("newer").hidden = true;
};
for (const b of roomButtons) {
  b.onclick = () => {
    if (b.dataset.room === room && socket?.readyState === WebSocket.OPEN) return;
    room = b.dataset.room;
    wanted = joined; // a member walks over under the same name
    forgetMembership();
    attempts = 0;
    history.replaceState(null, "", "?room=" + encodeURIComponent(room));
    showRoom();
    connect();
  };
}

window.addEventListener("online", () => {
  if ($("state").dataset.state === "waiting") connect();
});

$("name").value = name;
showRoom();
enable();
connect();
