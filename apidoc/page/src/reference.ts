// What the documents say about a message, a type, an endpoint.
import type { Data, Endpoint, Fact, Message, Part, Row } from "./data.js";
import { h } from "./dom.js";

export function parts(list: Part[]): (Node | string)[] {
  return list.map((p) => (p.link ? h("a", { href: "#" + p.link }, p.text) : p.text));
}

/** The rows with those of the types that they name below them, so that nobody has to go and look. */
export function unfolded(rows: Row[], types: Map<string, Message>, depth = 0, above: string[] = []): Row[] {
  return rows.flatMap((r) => {
    const at = (r.depth ?? 0) + depth;
    const links = r.type.filter((p) => p.link && types.has(p.link)).map((p) => p.link!);
    const more = at < 4 ? links.filter((l) => !above.includes(l)).flatMap((l) => unfolded(types.get(l)!.rows ?? [], types, at + 1, [...above, l])) : [];
    return [{ ...r, depth: at }, ...more];
  });
}

export function table(rows: Row[] | null | undefined, first = "Field"): HTMLElement | null {
  if (!rows?.length) return null;
  const told = rows.some((r) => r.description);
  const head = h("tr", { role: "row" }, ...[first, "Type and rules", ...(told ? ["Description"] : [])].map((t) => h("th", { role: "columnheader", scope: "col" }, t)));
  return h("table.fields", { role: "table" }, h("thead", { role: "rowgroup" }, head), h("tbody", { role: "rowgroup" }, ...rows.map((r) =>
    h("tr", { role: "row", class: "d" + (r.depth ?? 0), "data-id": r.id },
      h("th", { role: "rowheader", scope: "row" }, h("code", {}, r.id ? h("a", { href: "#" + encodeURIComponent(r.id) }, r.name) : r.name), r.required ? h("span.must", {}, "required") : null, r.deprecated ? h("span.badge.warn", {}, "deprecated") : null),
      h("td", { role: "cell" }, h("span.kind", {}, r.in ? r.in + " · " : "", ...parts(r.type)), ...(r.rules ?? []).flatMap((t) => [" ", h("span.rule", {}, t)])),
      told ? h("td.text", { role: "cell" }, r.description ?? "") : null))));
}

export function schemaOf(m: Message, types: Map<string, Message>): HTMLElement | null {
  if (m.frame) return h("p.note", {}, `One ${m.frame} frame as it is, no JSON.`);
  return table(unfolded(m.rows ?? [], types, 0, [m.id])) ?? (m.any?.length ? h("p.any", {}, ...parts(m.any), ...(m.rules ?? []).flatMap((r) => [" ", h("span.rule", {}, r)])) : null);
}

export function pairs(list: Fact[] | null, id = "", long = false, words = false): HTMLElement | null {
  if (!list?.length) return null;
  return h("dl", { class: "pairs" + (long ? " long" : "") }, ...list.map((f) => h("div", id ? { "data-id": id + f.name } : {}, h("dt", {}, words ? f.name : h("code", {}, f.name)), h("dd", {}, f.value))));
}

export function endpointPage(e: Endpoint): HTMLElement {
  return h("div", {},
    h("p.eyebrow", {}, ["WebSocket", ...(e.tags ?? [])].join(" · ")),
    h("h2.title.path", {}, e.path, e.deprecated ? h("span.badge.warn", {}, "deprecated") : null),
    e.name ? h("p.name", {}, e.name) : null,
    e.description ? h("p.text", {}, e.description) : null,
    e.send?.length ? null : h("p.note", {}, "There is nothing to send: connect, and listen."),
    e.facts?.length ? h("ul.facts", {}, ...e.facts.map((f) => h("li", {}, h("span", {}, f.name), " ", h("code", {}, f.value)))) : null,
    e.parameters?.length ? h("h3", {}, "Parameters") : null, table(e.parameters, "Parameter"),
    h("h3", {}, "Refusals"), pairs(e.refusals),
    e.limits?.length ? h("h3", {}, "Limits") : null, pairs(e.limits, "", false, true));
}

export function codesPage(d: Data, errors: boolean): HTMLElement {
  return errors
    ? h("div", {}, h("h2.title", {}, "Error codes"), h("p.note", {}, "Of the error reply; an application adds its own."), pairs(d.errors, "error-", true))
    : h("div", {}, h("h2.title", {}, "Close codes"), h("p.note", {}, "What the end of a connection means here."), pairs(d.closes, "close-", true));
}

/** What the API is, and where its endpoints are. */
export function overview(d: Data): HTMLElement {
  return h("div", {}, h("h2.title", {}, d.title, d.version ? h("span.version", {}, d.version) : null), d.description ? h("p.text", {}, d.description) : null,
    ...(d.endpoints ?? []).flatMap((e) => [
      h("h3", {}, h("a", { href: "#" + encodeURIComponent(e.id) }, h("code", {}, e.path))), e.description ? h("p.text.note", {}, e.description) : null,
      h("p.note", {}, `↑ ${e.send?.length ?? 0} to send, ↓ ${e.receive?.length ?? 0} to receive`),
    ].filter((x) => x !== null)),
    h("h3", {}, "Documents"), h("p.documents", {}, ...["openapi.json", "openapi.yaml", "asyncapi.json", "asyncapi.yaml"].flatMap((f, i) => [i ? " · " : "", h("a", { href: f }, f)])));
}
