package browser

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// clusterProgram runs examples/cluster as a user would and returns the address it prints. It ends at the test's end, by SIGTERM.
func clusterProgram(t *testing.T) (base string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "cluster")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = "../../../examples/cluster"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, "-addr", "localhost:0")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error("the cluster ended with", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var docs string
	if _, err := fmt.Sscanf(line, "cluster: %s docs: %s", &base, &docs); err != nil || docs != base+"/docs" {
		t.Fatalf("printed %q: %v", line, err)
	}
	return base
}

// command clicks a button of a process.
func (b *tab) command(process, button string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector('[data-name=%q] .%s')?.checkVisibility()", process, button))
	b.run(chromedp.Click(chromedp.CSS(fmt.Sprintf("[data-name=%q] .%s", process, button))))
}

// is waits for the state of a process.
func (b *tab) is(process, state string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector('[data-name=%q]')?.dataset.state === %q", process, state))
}

// confirmed waits until so many more messages than now are confirmed.
func (b *tab) confirmed(more int) {
	b.t.Helper()
	b.until(fmt.Sprintf("Number(document.getElementById('confirmed').textContent) >= %d", b.number("Number(document.getElementById('confirmed').textContent)")+more))
}

// settled waits until everybody has everything, and fails if something was lost.
func (b *tab) settled() {
	b.t.Helper()
	b.until(`document.getElementById("verdict").dataset.verdict === "good" && document.querySelectorAll(".person[data-node^=node]").length === document.querySelectorAll(".person").length`)
	if lost := b.read(`document.getElementById("lost").textContent + " lost, " + document.getElementById("twice").textContent + " twice"`); lost != "0 lost, 0 twice" {
		b.t.Error(lost)
	}
}

// TestCluster kills every process of the cluster under people who talk, and restores it.
func TestCluster(t *testing.T) {
	b := open(t, browser(t), clusterProgram(t), 1280, 1000)
	b.settled()
	b.confirmed(5)
	b.shoot("cluster-arrival")
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		b.until(fmt.Sprintf("document.querySelector('[data-name=%q] .guests li:not(.nobody)')", node)) // Ada, Bob, Cleo and Dan are spread over all
	}

	b.command("node-1", "kill")
	b.is("node-1", "down")
	b.sees(`[data-name="node-1"]`, "signal: killed")
	b.sees(".log .recovered", "recovered, ")
	b.until(`!document.querySelector('.person[data-node="node-1"]')`)
	b.settled()
	b.confirmed(3)
	b.shoot("cluster-node-killed")
	b.command("node-1", "restore")
	b.is("node-1", "up")

	b.command("node-2", "drain")
	b.is("node-2", "down")
	b.sees(`[data-name="node-2"]`, "drained")
	b.settled()
	b.sees("#people", "node-2 is shutting down")
	b.command("node-2", "restore")
	b.is("node-2", "up")

	b.command("broker", "kill")
	b.is("broker", "down")
	b.until(`document.getElementById("verdict").dataset.verdict === "waiting"`)
	b.sees(`[data-name="node-3"] .why`, "broker")
	b.until(`Number(document.getElementById("owed").textContent) >= 3`) // they go on talking
	b.shoot("cluster-broker-killed")
	b.command("broker", "restore")
	b.is("broker", "up")
	b.settled()
	b.confirmed(5)
	b.settled()
	b.shoot("cluster-all-up")
	b.expected()
}

// expected takes what the browser itself says of sockets that found no node.
func (b *tab) expected() {
	b.t.Helper()
	for _, fault := range b.take() {
		if !strings.Contains(fault, "WebSocket connection to") {
			b.t.Error(fault)
		}
	}
}

// TestClusterPerson goes offline, misses a little and then too much, and is told which.
func TestClusterPerson(t *testing.T) {
	b := open(t, browser(t), clusterProgram(t), 1280, 1000)
	b.settled()
	const bob = ".person:nth-child(2)"
	b.run(chromedp.Click(chromedp.CSS(bob + " header .small")))
	b.sees(bob+" .where", "offline")
	b.confirmed(5)
	b.shoot("cluster-offline")
	b.run(chromedp.Click(chromedp.CSS(bob + " header .small")))
	b.sees(bob+" .recovered", "recovered, ")
	b.until(fmt.Sprintf("document.querySelectorAll(%q).length >= 5", bob+" .said.missed"))
	b.settled()
	b.shoot("cluster-recovered")

	b.run(chromedp.Click(chromedp.CSS("#talk")), chromedp.Click(chromedp.CSS(bob+" header .small")))
	b.sees(bob+" .where", "offline")
	for i := range 105 { // more than a room replays
		b.js(`document.querySelector(".person:nth-child(1) input").value = "story %d"; document.querySelector(".person:nth-child(1) form").requestSubmit()`, i)
	}
	b.sees(".person:nth-child(3) .log", "story 104")
	b.run(chromedp.Click(chromedp.CSS(bob + " header .small")))
	b.sees(bob+" .resync", "resync")
	b.settled()
	b.sees("#verdict-text", "in a resync")
	b.shoot("cluster-resync")

	b.run(chromedp.SetValue(chromedp.CSS("#room"), "workshop"), chromedp.Click(chromedp.CSS("#add button"))) // Eve, alone in her room
	b.until(`document.querySelector(".person:nth-child(5)")?.dataset.node`)
	b.run(chromedp.SendKeys(chromedp.CSS(".person:nth-child(5) input"), "Is this <b>bold</b>?\r"))
	b.sees(".person:nth-child(5) .log", "Is this <b>bold</b>?")
	b.until(`![...document.querySelectorAll(".person:not(:nth-child(5))")].some((p) => p.textContent.includes("bold"))`)
	b.run(chromedp.Click(chromedp.CSS(".person:nth-child(5) header .icon")))
	b.until(`document.querySelectorAll(".person").length === 4`)
	b.settled()
	b.expected()
}

// TestClusterKeyboard kills and restores a node without a mouse; the keyboard's place stays in the node's card.
func TestClusterKeyboard(t *testing.T) {
	b := open(t, browser(t), clusterProgram(t), 1280, 1000)
	b.settled()
	b.js(`document.querySelector('[data-name="node-2"] .kill').focus()`)
	b.press("\r")
	b.is("node-2", "down")
	b.until(`document.activeElement.getAttribute("aria-label") === "Restore node-2"`)
	b.press("\r")
	b.is("node-2", "up")
	b.until(`document.activeElement.getAttribute("aria-label") === "Kill node-2"`)
	b.settled()
	b.expected()
}

// TestClusterLooks has the page judged by axe-core, small and dark, with a node that is down.
func TestClusterLooks(t *testing.T) {
	base := clusterProgram(t)
	chromium := browser(t)
	wide := open(t, chromium, base, 1280, 1000)
	wide.settled()
	wide.command("node-3", "kill")
	wide.is("node-3", "down")
	wide.sees(".log .recovered", "recovered")
	wide.settled()
	wide.axe("light")
	wide.dark()
	wide.axe("dark")
	wide.shoot("cluster-dark")

	small := open(t, chromium, base, 360, 740)
	small.settled()
	small.until("document.documentElement.scrollWidth <= 360")
	small.axe("360 px")
	small.shoot("cluster-small")
	small.js(`document.getElementById("machines-title").scrollIntoView()`)
	small.shoot("cluster-small-processes")
	small.js(`document.querySelector(".person").scrollIntoView()`)
	small.confirmed(3)
	small.shoot("cluster-small-people")
	wide.expected()
	small.expected()
}
