package main

import "time"

// What a chat's client sends and hears, from whichever node it is on.

// Say is answered once the broker has taken it: from then on it reaches everybody in the room, whatever dies.
type Say struct {
	_    struct{} `ws:"say" doc:"Say something in the room. The answer comes when the broker has it; without one, say it again under the same key."`
	Key  string   `json:"key" minLength:"1" maxLength:"40" example:"ada-1" doc:"Chosen by the client, and the same when it repeats itself."`
	Text string   `json:"text" minLength:"1" maxLength:"500" example:"Hello!"`
}

type Heard struct {
	_   struct{} `ws:"heard" doc:"The broker has the message with this key."`
	Key string   `json:"key" example:"ada-1"`
}

type Welcome struct {
	_    struct{} `ws:"welcome" doc:"The first message of every connection: which node it has reached."`
	Node string   `json:"node" example:"node-1"`
}

type Said struct {
	_    struct{}  `ws:"said" doc:"Something said in the room, on any node."`
	Key  string    `json:"key" example:"ada-1" doc:"As in say: who has seen it has seen this message."`
	From string    `json:"from" example:"Ada"`
	Text string    `json:"text" example:"Hello!"`
	Node string    `json:"node" example:"node-1" doc:"Where it was said."`
	At   time.Time `json:"at"`
}

// What the page sends to, and hears from, the program that runs the nodes and the broker.

type Kill struct {
	_       struct{} `ws:"kill" doc:"End a process at once, by SIGKILL: it can say goodbye to nobody."`
	Process string   `json:"process" example:"node-1" doc:"Name of a node, or broker."`
}

type Drain struct {
	_       struct{} `ws:"drain" doc:"Ask a process to end: a node lets its connections go one by one, as in a deployment."`
	Process string   `json:"process" example:"node-1" doc:"Name of a node, or broker."`
}

type Restore struct {
	_       struct{} `ws:"restore" doc:"Start a process that has ended."`
	Process string   `json:"process" example:"node-1" doc:"Name of a node, or broker."`
}

// Process is what a node and the broker have in common.
type Process struct {
	Name  string    `json:"name" example:"node-1"`
	State State     `json:"state"`
	Since time.Time `json:"since" doc:"When this state began."`
	PID   int       `json:"pid,omitzero" example:"4711" doc:"Of the process, if there is one: try kill -9 in a terminal."`
	Why   string    `json:"why,omitzero" example:"signal: killed" doc:"How it ended, or what it lacks."`
}

// State of a process.
type State string

const (
	Starting State = "starting"
	Up       State = "up"
	Draining State = "draining"
	Down     State = "down"
)

// Enum lists the states for schemas.
func (State) Enum() []State { return []State{Starting, Up, Draining, Down} }

type NodeState struct {
	_ struct{} `ws:"node,latest=name" doc:"How a node is: at once, and then four times a second."`
	Process
	Conns      int    `json:"conns" doc:"Connections."`
	Rooms      int    `json:"rooms" doc:"Rooms that have members on this node."`
	Members    int    `json:"members" doc:"Places in them that are taken."`
	Deliveries uint64 `json:"deliveries" doc:"Messages queued for connections since the process began, one for each."`
}

type BrokerState struct {
	_ struct{} `ws:"broker,latest=name" doc:"How the broker is: at once, and then four times a second."`
	Process
	Messages uint64 `json:"messages" doc:"Messages that it keeps."`
	Bytes    uint64 `json:"bytes" doc:"Their size in its files."`
}
