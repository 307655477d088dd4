// Package reliability holds the router to what docs/reliability.md promises: over real sockets, with the router in one child process
// and its clients in others, so that memory, descriptors and goroutines are those of a server and nothing else.
//
// The tests judge; what runs in the children, package child, is here. It needs Linux: /proc says what a process and its sockets hold.
package reliability
