// Which documented message a received frame is, or why it is none.
import type { Endpoint, Message, Model } from "./data.js";
import { type Issue, member, Num, parse } from "./scan.js";
import { nearest, validate } from "./validate.js";

export interface Verdict {
  name: string;
  message: string; // id, "" for none
  flag: "" | "undocumented" | "differs" | "not JSON";
  why: string;
  add: string; // the Go code that would document it
  issues: Issue[];
}

const good = (m: Message): Verdict => ({ name: m.name, message: m.id, flag: "", why: "", add: "", issues: [] });

/** Judges a frame that the server sent. */
export function classify(model: Model, e: Endpoint, text: string, binary: boolean): Verdict {
  const known = e.receive ?? [];
  const json = known.filter((m) => !m.frame);
  const raw = known.find((m) => m.frame === (binary ? "binary" : "text"));
  const fits = binary === !!e.binary;
  if (fits) {
    const v = e.discriminator ? byName(model, e, e.discriminator, json, text) : byShape(model, e, json, text);
    if (v.flag === "" || !raw) return v;
  }
  if (raw) return good(raw);
  if (!fits) {
    return {
      name: binary ? "binary frame" : "text frame", message: "", flag: "undocumented", issues: [],
      why: `this endpoint documents ${e.binary ? "binary" : "text"} frames only`, add: binary ? "Sends([]byte(nil))" : 'Sends("")',
    };
  }
  return { name: "frame", message: "", flag: "undocumented", why: "", add: "", issues: [] };
}

function byName(model: Model, e: Endpoint, discriminator: string, known: Message[], text: string): Verdict {
  const raw = member(text, discriminator);
  if (raw === undefined) {
    const issues = validate(text, null);
    if (issues[0]?.code === "syntax") return notJSON(issues, text);
    return { name: "(no name)", message: "", flag: "undocumented", why: `it has no member ${discriminator}, which names the message`, add: "", issues };
  }
  const is = literal(raw);
  const m = known.find((k) => (k.names ?? []).some((n) => literal(n) === is));
  if (m) return against(model, e, m, text);
  const issues = validate(text, null);
  if (issues[0]?.code === "syntax") return notJSON(issues, text);
  const name = is.startsWith('"') ? (JSON.parse(is) as string) : is;
  const sent = (e.send ?? []).find((k) => (k.names ?? []).some((n) => literal(n) === is));
  const near = nearest(name, known.map((k) => k.name));
  let why = `${discriminator}: no such message`;
  if (sent) why = `${discriminator}: documented only as a message that you send`;
  else if (near) why += `, did you mean ${near}?`;
  return { name: clip(name), message: "", flag: "undocumented", why, add: `Sends(${sent?.goType ? unqualified(sent.goType) : goName(name)}{})`, issues: [] };
}

function byShape(model: Model, e: Endpoint, known: Message[], text: string): Verdict {
  const syntax = validate(text, null);
  if (syntax[0]?.code === "syntax") return notJSON(syntax, text);
  let best: Verdict | null = null;
  for (const m of known) {
    const v = against(model, e, m, text);
    if (v.flag === "") return v;
    if (!best || v.issues.length < best.issues.length) best = v;
  }
  if (!best) return { name: "(no name)", message: "", flag: "undocumented", why: "this endpoint documents no message to you", add: "", issues: [] };
  return { ...best, name: "(unknown)", flag: "undocumented", why: `no documented message has this shape; ${best.name} is the nearest: ${explain(best.issues[0])}` };
}

function against(model: Model, e: Endpoint, m: Message, text: string): Verdict {
  const plan = model.plan(e, m);
  const issues = plan ? validate(text, plan) : [];
  if (!issues.length) return good(m);
  if (issues[0]!.code === "syntax") return notJSON(issues, text);
  return { name: m.name, message: m.id, flag: "differs", why: explain(issues[0]), add: "", issues };
}

function notJSON(issues: Issue[], text: string): Verdict {
  const meant = /^\s*[{[]/.test(text); // it was to be JSON: nothing documents a broken one
  return { name: "text", message: "", flag: "not JSON", why: explain(issues[0]), add: meant ? "" : 'Sends("")', issues };
}

export function explain(i: Issue | undefined): string {
  return i ? (i.path ? `${i.path} ${i.message}` : i.message) : "";
}

/** One spelling for a name's literal: "\u0061" is "a". */
function literal(raw: string): string {
  const v = parse(raw);
  return typeof v === "string" ? JSON.stringify(v) : v instanceof Num ? v.raw : raw.slice(0, 100);
}

/** The Go name that a wire name suggests: user_left is UserLeft. */
function goName(name: string): string {
  const go = name.split(/[^A-Za-z0-9]+/).filter(Boolean).map((w) => w[0]!.toUpperCase() + w.slice(1)).join("").slice(0, 60);
  return /^[A-Z]/.test(go) ? go : "X" + go;
}

const unqualified = (goType: string): string => goType.slice(goType.lastIndexOf(".") + 1);
const clip = (s: string): string => (s.length > 80 ? s.slice(0, 80) + "…" : s);
