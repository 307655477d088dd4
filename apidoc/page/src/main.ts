// The console. Without JavaScript the page stays the reference that the server wrote; with it this takes its place.
import { App } from "./app.js";
import { Model } from "./data.js";
import { h } from "./dom.js";

const root = document.documentElement;
root.classList.add("js");
const script = (document.currentScript as HTMLScriptElement).src;
const beside = (name: string): string => new URL(name, script).href;

async function start(): Promise<void> {
  const answer = await fetch(beside("console.json"), { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`its data was answered ${answer.status}`);
  const model = new Model(await answer.text());
  new App(model, answer.headers.get("ETag") ?? "", beside, root);
}

addEventListener("DOMContentLoaded", () => {
  start().catch((e: unknown) => {
    root.classList.remove("js");
    document.body.prepend(h("p.failed", { role: "alert" }, "The console did not start: ", e instanceof Error ? e.message : String(e), ". This is the reference."));
    throw e;
  });
});
