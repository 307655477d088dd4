// What page and worker say to each other. The worker owns the sockets and every message, so that no flood and no huge
// message can hold up the page.
import type { Issue } from "./scan.js";

export type Order =
  | { do: "data"; text: string }
  | { do: "open"; conn: number; endpoint: string; url: string; probe: string; protocols: string[] }
  | { do: "close"; conn: number }
  | { do: "send"; conn: number; text: string; binary: boolean; name: string; message: string }
  | { do: "text"; seq: number }
  | { do: "clear" }
  | { do: "export"; hide: string[] }
  | { do: "check"; ticket: number; endpoint: string; message: string; text: string };

export type Report =
  | { is: "open"; conn: number; protocol: string }
  | { is: "refused"; conn: number; status: number; code: string; detail: string; issues: { path: string; code: string; message: string }[] }
  | { is: "unreachable"; conn: number; upgradable: boolean; detail: string }
  | { is: "closed"; conn: number; code: number; reason: string; clean: boolean; mine: boolean }
  | { is: "unsent"; conn: number; why: string }
  | { is: "rows"; rows: Entry[]; skipped: number; forgotten: number; counts: Counts[] }
  | { is: "text"; seq: number; text: string | null; total: number }
  | { is: "exported"; blob: Blob }
  | { is: "checked"; ticket: number; issues: Issue[] };

export interface Counts { conn: number; in: number; out: number; buffered: number }

export interface Entry {
  seq: number;
  time: number;
  conn: number;
  dir: "in" | "out" | "event";
  name: string;
  message: string; // id of the documented message
  flag: "" | "undocumented" | "differs" | "not JSON" | "invalid";
  why: string;
  add: string;
  issues: Issue[];
  text: string; // at most kept characters
  size: number; // bytes
  cut: boolean;
  binary: boolean;
  latency: number; // ms, -1 for none
  exact: boolean; // matched by its id
  count: number; // of skipped messages that this entry stands for
}

export const kept = 4096;
