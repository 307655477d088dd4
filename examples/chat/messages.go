package main

import (
	"errors"
	"strings"
	"time"
	"unicode"
)

// A User is somebody in a room.
type User struct {
	UserName string `json:"user_name" minLength:"1" maxLength:"24" example:"Ada" doc:"Name in the room, unique there without regard to case."`
}

// What a client sends.

type UserJoin struct {
	_ struct{} `ws:"client_user_join" doc:"Enter the room under a name."`
	User
}

type UserLeave struct {
	_ struct{} `ws:"client_user_leave" doc:"Leave the room; the connection stays and may join again."`
}

type UserMessage struct {
	_       struct{} `ws:"client_user_message" doc:"Say something to everybody in the room."`
	Message string   `json:"message" minLength:"1" maxLength:"1000" example:"Hello, room!"`
}

type UserTyping struct {
	_ struct{} `ws:"client_user_typing" doc:"Tell the room that a message is being written, at most every few seconds."`
}

// Validate says what no tag can: with blanks around it or characters that nobody sees, two names could look alike.
func (m UserJoin) Validate() error {
	if strings.TrimSpace(m.UserName) != m.UserName {
		return errors.New("user_name must not begin or end with a blank")
	}
	if strings.ContainsFunc(m.UserName, invisible) {
		return errors.New("user_name must be made of visible characters")
	}
	return nil
}

func invisible(r rune) bool { return !unicode.IsGraphic(r) }

// What the server sends.

type RoomDetails struct {
	_        struct{} `ws:"server_room_details" doc:"The first message of every connection, before anybody joins."`
	RoomID   string   `json:"room_id" example:"1"`
	RoomName string   `json:"room_name" example:"Lobby"`
	Users    []User   `json:"users" doc:"Who is in the room, by name."`
}

type UsersList struct {
	_     struct{} `ws:"server_users_list" doc:"Everybody in the room, sent to all when somebody joins."`
	Users []User   `json:"users"`
}

type UserJoined struct {
	_    struct{} `ws:"server_user_join" doc:"Somebody else joined the room."`
	User User     `json:"user"`
}

type UserLeft struct {
	_    struct{} `ws:"server_user_leave" doc:"Somebody left the room, or lost the connection."`
	User User     `json:"user"`
}

type UserMessaged struct {
	_ struct{} `ws:"server_user_message" doc:"Something said in the room, sent to all, its author included."`
	Said
}

type UserTypes struct {
	_ struct{} `ws:"server_user_typing,latest=user_name" doc:"Somebody is writing. A slow client gets only the newest of each user."`
	User
}

type PendingMessages struct {
	_        struct{} `ws:"server_pending_messages" doc:"What was said before this client joined, oldest first: the last 50 at most. The newest of them may come once more as a server_user_message with the same seq."`
	Messages []Said   `json:"messages"`
}

// Said is one message of a room and its place in the room's order.
type Said struct {
	Seq     int       `json:"seq" minimum:"1" doc:"Position in the room, without gaps, from 1 at the server's start."`
	SentAt  time.Time `json:"sent_at"`
	User    User      `json:"user"`
	Message string    `json:"message"`
}
