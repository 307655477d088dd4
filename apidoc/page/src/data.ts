// What the server says about its endpoints: console.json, laid out by apidoc/page.go.
import { type Json, Num, parse } from "./scan.js";
import { type Node, Schemas } from "./schema.js";

export interface Fact { name: string; value: string }
export interface Part { text: string; link?: string }
export interface Row {
  id?: string; name: string; description?: string; in?: string; depth?: number;
  type: Part[]; rules?: string[]; required?: boolean; deprecated?: boolean; schema?: unknown;
}
export interface Message {
  id: string; name: string; type?: string; handler?: string; summary?: string; description?: string; frame?: string;
  delivery?: string; deprecated?: boolean; error?: boolean; always?: boolean; rows?: Row[]; any?: Part[]; rules?: string[];
  sample?: unknown; links?: { text: string; link: string }[]; responds?: boolean; names?: string[]; goType?: string;
}
export interface Endpoint {
  id: string; path: string; name?: string; description?: string; deprecated?: boolean; tags?: string[];
  facts: Fact[] | null; parameters: Row[] | null; refusals: Fact[]; send: Message[] | null; receive: Message[] | null; limits: Fact[] | null;
  discriminator?: string; payload?: string; correlation?: string; binary?: boolean; subprotocols?: string[];
  bounds: Record<string, number> | null;
}
export interface Data {
  root: string; servers: string[]; worker: string; login?: string; title: string; version: string; description?: string;
  endpoints: Endpoint[] | null; types: Message[] | null; closes: Fact[]; errors: Fact[];
}

/** The data with every schema compiled. Raw values, such as samples, keep their numbers as written. */
export class Model {
  readonly data: Data;
  readonly schemas: Schemas;
  readonly endpoints: Endpoint[];
  readonly text: string;
  private readonly samples = new Map<string, Json>();
  private readonly parameterSchemas = new Map<string, Json>();
  private readonly plans = new Map<string, Node | null>();

  constructor(text: string) {
    const tree = parse(text);
    if (!(tree instanceof Map)) throw new Error("the data of this page is not JSON");
    this.text = text;
    this.data = plain(tree) as Data;
    this.endpoints = this.data.endpoints ?? [];
    const named = tree.get("schemas");
    this.schemas = new Schemas(named instanceof Map ? named : new Map());
    for (const e of items(tree, "endpoints")) {
      for (const list of ["send", "receive"]) for (const m of items(e, list)) if (m.has("sample")) this.samples.set(m.get("id") as string, m.get("sample")!);
      for (const p of items(e, "parameters")) this.parameterSchemas.set(p.get("id") as string, p.get("schema") ?? true);
    }
    for (const t of items(tree, "types")) if (t.has("sample")) this.samples.set(t.get("id") as string, t.get("sample")!);
  }

  sample(m: Message): Json | undefined {
    return this.samples.get(m.id);
  }

  parameter(p: Row): Json {
    return this.parameterSchemas.get(p.id ?? "") ?? true;
  }

  /** The plan of a message of e; null where it has no schema. */
  plan(e: Endpoint, m: Message): Node | null {
    const key = e.id + " " + m.id;
    let p = this.plans.get(key);
    if (p === undefined) {
      p = m.type && !m.frame ? this.schemas.message(m.type, { discriminator: e.discriminator ?? "", payload: e.payload ?? "", id: e.correlation ?? "" }) : null;
      this.plans.set(key, p);
    }
    return p;
  }
}

function items(v: Map<string, Json>, name: string): Map<string, Json>[] {
  const l = v.get(name);
  return Array.isArray(l) ? l.filter((e) => e instanceof Map) : [];
}

function plain(v: Json): unknown {
  if (v instanceof Num) return Number(v.raw);
  if (Array.isArray(v)) return v.map(plain);
  if (v instanceof Map) {
    const o: Record<string, unknown> = Object.create(null);
    for (const [k, e] of v) o[k] = plain(e);
    return o;
  }
  return v;
}
