// The formats that package schema checks, by the same rules.
import { digits, isDigit } from "./scan.js";

interface Format {
  text: string;
  check?: (s: string) => boolean;
}

export const formats: Record<string, Format | undefined> = {
  __proto__: null as never,
  "date-time": { text: "a date and time such as 2006-01-02T15:04:05Z", check: (s) => s.length > 11 && s[10] === "T" && isDate(s.slice(0, 10)) && isClock(s.slice(11)) },
  date: { text: "a date such as 2006-01-02", check: isDate },
  time: { text: "a time such as 15:04:05Z", check: isClock },
  duration: { text: "an ISO 8601 duration such as PT1H30M", check: isDuration },
  email: { text: "an email address", check: isEmail },
  uuid: { text: "a UUID", check: (s) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(s) },
  uri: { text: "an absolute URI", check: isURI },
  hostname: { text: "a host name", check: isHostname },
  ipv4: { text: "an IPv4 address", check: isIPv4 },
  ipv6: { text: "an IPv6 address", check: isIPv6 },
  password: { text: "a password" },
};

function isDate(s: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(s)) return false;
  const year = +s.slice(0, 4), month = +s.slice(5, 7), day = +s.slice(8);
  if (month < 1 || month > 12 || day < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}

function isClock(s: string): boolean {
  const m = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(s);
  if (!m) return false;
  const hour = +m[1]!, minute = +m[2]!, second = +m[3]!;
  if (hour > 23 || minute > 59 || second > 60) return false;
  let offset = 0;
  if (m[4]) {
    if (+m[5]! > 23 || +m[6]! > 59) return false;
    offset = (+m[5]! * 60 + +m[6]!) * (m[4] === "-" ? -1 : 1);
  }
  return second < 60 || (hour * 60 + minute - offset + 2880) % 1440 === 1439;
}

function isDuration(s: string): boolean {
  if (/^P\d+W$/.test(s)) return true;
  return /^P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$/.test(s);
}

function isIPv4(s: string): boolean {
  const parts = s.split(".");
  return parts.length === 4 && parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && +p < 256);
}

function isIPv6(s: string): boolean {
  if (s.length > 45) return false;
  const last = s.lastIndexOf(":");
  if (last < 0) return false;
  let groups = 8;
  if (s.includes(".")) {
    if (!isIPv4(s.slice(last + 1))) return false;
    s = s.slice(0, last + 1);
    groups = 6;
    if (s.endsWith("::")) s = s.slice(0, -1) + ":";
    else s = s.slice(0, -1);
  }
  const halves = s.split("::");
  if (halves.length > 2) return false;
  const parts = halves.flatMap((h) => (h === "" ? [] : h.split(":")));
  if (!parts.every((p) => /^[0-9a-f]{1,4}$/i.test(p))) return false;
  return halves.length === 2 ? parts.length < groups : parts.length === groups;
}

function isHostname(s: string): boolean {
  s = s.replace(/\.$/, "");
  return s.length > 0 && s.length <= 253 && s.split(".").every((l) => /^[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?$/i.test(l));
}

function isEmail(s: string): boolean {
  const at = s.lastIndexOf("@");
  if (new TextEncoder().encode(s).length > 254 || at < 1 || at > 64) return false;
  const local = s.slice(0, at), domain = s.slice(at + 1);
  if (local[0] === '"' ? !/^"[ !#-[\]-~]*"$/.test(local) || local.length < 2 : !/^[0-9a-z!#$%&'*+\-/=?^_`{|}~]+(\.[0-9a-z!#$%&'*+\-/=?^_`{|}~]+)*$/i.test(local)) return false;
  if (domain.length > 2 && domain[0] === "[" && domain.endsWith("]")) {
    const address = domain.slice(1, -1);
    return address.startsWith("IPv6:") ? isIPv6(address.slice(5)) : isIPv4(address);
  }
  return isHostname(domain);
}

/** RFC 3986 with a scheme, as far as Go's net/url reads it. */
function isURI(s: string): boolean {
  if (!/^(?:[0-9A-Za-z\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/.test(s)) return false;
  const m = /^([a-z][a-z0-9+.-]*):([^#]*)(?:#.*)?$/i.exec(s);
  if (!m) return false;
  const rest = m[2]!.replace(/\?.*$/, "");
  let host = "";
  if (rest.startsWith("//")) {
    let authority = rest.slice(2).split("/", 1)[0]!;
    const at = authority.lastIndexOf("@");
    if (at >= 0) {
      if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(authority.slice(0, at))) return false;
      authority = authority.slice(at + 1);
    }
    host = authority;
    if (!isHost(host)) return false;
  }
  return !s.includes("[") || host.includes("[");
}

function isHost(host: string): boolean {
  if (host.startsWith("[")) {
    const end = host.lastIndexOf("]");
    if (end < 0 || !isPort(host.slice(end + 1))) return false;
    const inside = host.slice(1, end), zone = inside.indexOf("%25");
    return isIPv6(zone >= 0 ? inside.slice(0, zone) : inside) && (zone < 0 || zone + 3 < inside.length);
  }
  if (host.includes("[") || host.includes("]")) return false;
  const colon = host.lastIndexOf(":");
  if (colon >= 0 && (!isPort(host.slice(colon)) || host.slice(0, colon).includes(":"))) return false;
  return !/%[0-7]/.test(host);
}

function isPort(s: string): boolean {
  return s === "" || (s[0] === ":" && digits(s, 1) === s.length);
}

/** Whether s is a JSON number, and whether it is a whole one. */
export function numeric(s: string): { whole: boolean } | null {
  const m = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.exec(s);
  return m && (isDigit(s.charCodeAt(s.length - 1)) ? { whole: m[2] === undefined && m[3] === undefined } : null);
}
