// The keyboard. No single letter acts while somebody types, and a switch turns them all off.
import type { App } from "./app.js";
import { command, h } from "./dom.js";
import { load, save } from "./store.js";

const keys: [string, string][] = [
  [command + " ↵", "connect and send"], ["/", "search messages and fields"], ["f", "filter the log"], ["j  k", "next and previous message"],
  ["Alt ↑ ↓", "what was sent before"], ["Ctrl Space", "complete in the editor"], ["1 – 9", "connection A to I"], ["p", "pause the log"], ["e  c", "on a line of the log: edit and resend, copy"], ["Esc", "back"], ["?", "this list"],
];

export function keysDialog(app: App): void {
  const on = h("input", { type: "checkbox", checked: letters(), onchange: () => save("letters", on.checked ? undefined : false) });
  const d: HTMLDialogElement = h("dialog.keys", { "aria-labelledby": "keys", onclose: () => d.remove(), onclick: (e: MouseEvent) => e.target === d && d.close() },
    h("div", {}, h("h2", { id: "keys" }, "Keys"), h("dl", {}, ...keys.map(([k, what]) => h("div", {}, h("dt", {}, ...k.split("  ").map((x) => h("kbd", {}, x))), h("dd", {}, what)))),
      h("label.switch", {}, on, "Single letters are keys"), h("button.primary.small", { type: "button", onclick: () => d.close() }, "Close")));
  document.body.append(d);
  d.showModal();
  void app;
}

const letters = (): boolean => load("letters", true);

export function listen(app: App): void {
  addEventListener("keydown", (e) => {
    if ((e.ctrlKey || e.metaKey) && e.key === "Enter") {
      e.preventDefault();
      app.compose.go();
      return;
    }
    if (e.altKey && (e.key === "ArrowUp" || e.key === "ArrowDown") && app.place.send) {
      e.preventDefault();
      app.compose.recall(e.key === "ArrowUp" ? 1 : -1);
      return;
    }
    const target = e.target as HTMLElement;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && (target as HTMLInputElement).type !== "checkbox";
    if (e.key === "Escape" && typing && !document.querySelector("dialog[open]")) return target.blur();
    if (e.ctrlKey || e.metaKey || e.altKey || typing || document.querySelector("dialog[open]") || !letters()) return;
    const act: Record<string, () => void> = {
      "/": () => (app.tab(0), app.nav.input.focus()), f: () => (app.tab(2), app.log.filter.focus()), j: () => app.nav.step(1), k: () => app.nav.step(-1), p: () => app.log.pause(),
      "?": () => keysDialog(app), Escape: () => (app.notice.hidden ? app.middle.focus() : (app.notice.hidden = true)),
    };
    for (let i = 1; i <= 9; i++) act[String(i)] = () => {
      const c = app.conns[i - 1];
      if (c) app.activate(c);
    };
    const f = Object.hasOwn(act, e.key) ? act[e.key] : undefined;
    if (!f) return;
    e.preventDefault();
    f();
  });
}
