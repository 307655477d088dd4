// Elements by hand. Whatever comes from a document or a peer becomes a text node: no HTML is ever parsed here.

type Child = Node | string | null | undefined | false;
type Props = Record<string, string | number | boolean | null | undefined | ((e: never) => void)>;

/** h("button.primary", {onclick, disabled: true}, "Send") */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K | `${K}.${string}`, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const [name, ...classes] = tag.split(".");
  const e = document.createElement(name!) as HTMLElementTagNameMap[K];
  if (classes.length) e.className = classes.join(" ");
  for (const [k, v] of Object.entries(props)) {
    if (typeof v === "function") e.addEventListener(k.slice(2), v as EventListener);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v !== null && v !== undefined) e.setAttribute(k, String(v));
  }
  fill(e, ...children);
  return e;
}

export function fill(e: Element, ...children: Child[]): void {
  e.replaceChildren(...children.filter((c): c is Node | string => !!c || c === "").map((c) => (typeof c === "string" ? plain(c) : c)));
}

/** Spells the characters that turn text around, so that what is read is what stands there. In JSON it means the same. */
export const plain = (s: string): string => s.replace(/[\u202a-\u202e\u2066-\u2069]/g, (c) => "\\u" + c.charCodeAt(0).toString(16));

/** fill for what somebody may be in: the focus stays on what has the same name, else it goes to what is selected. */
export function redraw(e: Element, ...children: Child[]): void {
  const was = e.contains(document.activeElement) ? nameOf(document.activeElement!) : null;
  fill(e, ...children);
  if (was === null) return;
  const all = [...e.querySelectorAll<HTMLElement>("a,button")];
  (all.find((x) => nameOf(x) === was) ?? e.querySelector<HTMLElement>("[aria-selected=true]") ?? all[0])?.focus();
}

const nameOf = (e: Element): string => e.getAttribute("data-id") ?? e.getAttribute("aria-label") ?? e.textContent ?? "";

/** A small icon, drawn by paths that are written here. */
export function icon(name: keyof typeof paths): SVGSVGElement {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  for (const [k, v] of Object.entries({ viewBox: "0 0 16 16", width: "16", height: "16", fill: "none", stroke: "currentColor", "stroke-width": "1.5", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" })) svg.setAttribute(k, v);
  const p = document.createElementNS(ns, "path");
  p.setAttribute("d", paths[name]);
  svg.append(p);
  return svg;
}

const paths = {
  link: "M6.5 9.5l3-3M7 4.5l1-1a2.8 2.8 0 014 4l-1 1M9 11.5l-1 1a2.8 2.8 0 01-4-4l1-1",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.5l7 4.5-7 4.5z",
  save: "M8 2.5v7.5M5 7l3 3 3-3M3 13h10",
  clear: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5v-2a1 1 0 011-1h6a1 1 0 011 1v6a1 1 0 01-1 1h-2M3.5 5.5h6a1 1 0 011 1v6a1 1 0 01-1 1h-6a1 1 0 01-1-1v-6a1 1 0 011-1z",
  more: "M6 4l4 4-4 4",
  search: "M7 11.5a4.5 4.5 0 100-9 4.5 4.5 0 000 9zM10.5 10.5L14 14",
  theme: "M8 2.5a5.5 5.5 0 100 11zM8 2.5a5.5 5.5 0 010 11",
  edit: "M3 13l.6-2.6L11 3l2 2-7.4 7.4z",
  down: "M8 3v10M4 9l4 4 4-4",
  lock: "M4.5 7.5h7v5.5h-7zM6 7.5V5.5a2 2 0 014 0v2",
};

/** The key that makes a letter a command here. */
export const command = /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘" : "Ctrl";

/** Whether one region shows at a time. */
export const narrow = (): boolean => matchMedia("(max-width:68rem)").matches;

/** Runs f at most once a frame, however often it is asked. */
export function frame(f: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      f();
    });
  };
}

export async function copy(text: string, button?: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  if (!button) return;
  button.dataset["done"] = "";
  setTimeout(() => delete button.dataset["done"], 1200);
}

export function bytesText(n: number): string {
  return n < 1024 ? `${n} B` : n < 1 << 20 ? `${(n / 1024).toFixed(n < 10240 ? 1 : 0)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`;
}
