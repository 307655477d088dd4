// Has the conversations of internal/compat/converse, whose steps are described there.

"use strict";

// A Speaker is one client and what arrives there.
class Speaker {
	arrived = [];
	order = []; // of the streams of the last mixed step
	#wake = () => {};

	constructor(address, protocols) {
		this.socket = new WebSocket(address, protocols);
		this.socket.binaryType = "arraybuffer";
		this.socket.onopen = () => this.#put({ open: true });
		this.socket.onmessage = (e) => this.#put({ binary: typeof e.data !== "string", data: e.data });
		this.socket.onclose = (e) => this.#put({ end: true, clean: e.wasClean, code: e.code, reason: e.reason });
	}

	#put(arrival) {
		this.arrived.push(arrival);
		this.#wake();
	}

	async next() {
		while (this.arrived.length === 0) await new Promise((done) => { this.#wake = done; });
		return this.arrived.shift();
	}
}

const show = (arrival) => JSON.stringify({ ...arrival, data: typeof arrival.data === "string" ? arrival.data.slice(0, 80) : arrival.data?.byteLength });

// decode turns a frame of the table into what a socket sends, once.
function decode(frame) {
	if (frame.decoded === undefined) {
		const bytes = Uint8Array.from(atob(frame.data ?? ""), (c) => c.charCodeAt(0));
		frame.decoded = frame.binary ? bytes : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
	}
	return frame.decoded;
}

function is(arrival, frame) {
	if (arrival.end || arrival.open || arrival.binary !== Boolean(frame.binary)) return false;
	const want = decode(frame);
	if (!arrival.binary) return arrival.data === want;
	const got = new Uint8Array(arrival.data);
	return got.length === want.length && got.every((b, i) => b === want[i]);
}

function same(got, want) {
	if (got !== want) throw new Error(`got ${got}, want ${want}`);
}

async function take(clients, step, room, extensions) {
	const address = (host) => `ws://${host}${step.path}?room=${encodeURIComponent(room)}`;
	const client = clients[step.client];
	switch (step.do) {
	case "open": {
		const c = clients[step.client] = new Speaker(address(location.host), step.protocols ?? []);
		const first = await c.next();
		if (!first.open) throw new Error(show(first));
		same(c.socket.extensions, extensions);
		return same(c.socket.protocol, step.subprotocol ?? "");
	}
	case "refused": { // the status is in the console only
		const first = await new Speaker(address(step.foreign ? location.host.replace("localhost", "127.0.0.1") : location.host), []).next();
		return same(show(first), show({ end: true, clean: false, code: 1006, reason: "" }));
	}
	case "get":
		return same((await fetch(`${step.path}?room=${encodeURIComponent(room)}`)).status, step.status);
	case "send":
		for (const frame of step.frames) client.socket.send(decode(frame));
		return;
	case "want":
		for (const frame of step.frames) {
			const got = await client.next();
			if (!is(got, frame)) throw new Error(`got ${show(got)}, want ${show({ binary: frame.binary, data: decode(frame) })}`);
		}
		return;
	case "mixed": {
		const left = step.streams.map((stream) => [...stream]);
		client.order = [];
		while (left.some((stream) => stream.length > 0)) {
			const got = await client.next();
			const i = left.findIndex((stream) => stream.length > 0 && is(got, stream[0]));
			if (i < 0) throw new Error(`${show(got)} is next in no stream`);
			left[i].shift();
			client.order.push(i);
		}
		return;
	}
	case "alike":
		return same(client.order.join(), clients[step.client - 1].order.join());
	case "close":
		return step.code ? client.socket.close(step.code, step.reason ?? "") : client.socket.close();
	case "ended": {
		let got = await client.next();
		while (step.flooded && got.binary) got = await client.next();
		const reason = step.reason ?? "";
		if (reason.endsWith("…") && got.reason?.startsWith(reason.slice(0, -1))) got.reason = reason;
		return same(show(got), show({ end: true, clean: true, code: step.code, reason }));
	}
	}
	throw new Error("a step that nobody knows");
}

// converse has one conversation after the other and returns what went wrong, a line for each.
async function converse(extensions) {
	const faults = [];
	for (const conversation of await (await fetch("/table.json")).json()) {
		const fault = await have(conversation, extensions);
		if (fault) faults.push(fault);
	}
	return faults.join("\n");
}

// have has a conversation and returns what went wrong, if anything.
async function have({ name, steps }, extensions) {
	const clients = {};
	try {
		for (const [i, step] of steps.entries()) {
			const late = new Promise((_, fail) => setTimeout(() => fail(new Error("nothing for 20 s")), 20_000));
			await Promise.race([take(clients, step, name, extensions), late]).catch((err) => {
				throw new Error(`${name}: step ${i}, ${step.do} by client ${step.client}: ${err.message}`);
			});
		}
	} catch (err) {
		return err.message;
	} finally {
		for (const c of Object.values(clients)) c.socket.close();
	}
}
