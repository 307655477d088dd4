package schema_test

import (
	"fmt"
	"reflect"

	"github.com/wsrouter-go/wsrouter/schema"
)

type ChatMessage struct {
	_       struct{} `ws:"message" doc:"A text said in the chat."`
	Message string   `json:"message" minLength:"1" maxLength:"500"`
	Mood    string   `json:"mood" enum:"happy,sad" default:"happy"`
}

func ExampleCompile() {
	_, err := schema.Compile(reflect.TypeFor[struct {
		Name string `json:"name" minLenght:"1"`
	}](), nil)
	fmt.Println(err)

	plan, err := schema.Compile(reflect.TypeFor[ChatMessage](), &schema.Options{
		Envelope: &schema.Envelope{Discriminator: "action"},
	})
	fmt.Println(plan.Name(), plan.Names(), err)
	fmt.Println(string(plan.Example()))
	// Output:
	// struct.Name: the tag key minLenght is unknown, did you mean minLength
	// message ["message"] <nil>
	// {"action":"message","message":"string","mood":"happy"}
}

func ExamplePlan_Validate() {
	plan, _ := schema.Compile(reflect.TypeFor[ChatMessage](), &schema.Options{
		Envelope: &schema.Envelope{Discriminator: "action"},
	})
	for _, issue := range plan.Validate([]byte(`{"action":"message","message":"","mood":"hapy"}`)) {
		fmt.Println(issue.Path, issue.Code, issue.Message)
	}
	// Output:
	// /message minLength must have at least 1 character
	// /mood enum must be one of "happy", "sad"
}

func ExamplePlan_Decode() {
	plan, _ := schema.Compile(reflect.TypeFor[ChatMessage](), &schema.Options{
		Envelope: &schema.Envelope{Discriminator: "action"},
	})
	var m ChatMessage
	issues := plan.Decode([]byte(`{"action":"message","message":"hi"}`), &m)
	fmt.Println(issues, m.Message, m.Mood)
	// Output: [] hi happy
}

func ExamplePlan_Schema() {
	plan, _ := schema.Compile(reflect.TypeFor[struct {
		Qty int8 `json:"qty" minimum:"1" doc:"How many."`
	}](), nil)
	fmt.Println(string(plan.Schema()))
	// Output: {"type":"object","properties":{"qty":{"type":"integer","minimum":1,"maximum":127,"description":"How many."}},"required":["qty"],"examples":[{"qty":1}]}
}

func ExamplePlan_Append() {
	plan, _ := schema.Compile(reflect.TypeFor[ChatMessage](), &schema.Options{
		Envelope: &schema.Envelope{Discriminator: "action", ID: "id"},
	})
	out, err := plan.Append(nil, ChatMessage{Message: "hi", Mood: "sad"}, []byte(`42`))
	fmt.Println(string(out), err)
	// Output: {"action":"message","id":42,"message":"hi","mood":"sad"} <nil>
}

func ExampleCompileField() {
	type session struct {
		Level int `query:"level" minimum:"1" default:"3" doc:"How deep."`
	}
	field, _ := schema.CompileField(reflect.TypeFor[session]().Field(0))
	fmt.Println(field.Required, string(field.Default), field.Doc)
	fmt.Println(field.Plan.Validate([]byte(`0`))[0].Message)
	// Output:
	// false 3 How deep.
	// must be at least 1
}

func ExampleMember() {
	value, ok := schema.Member([]byte(`{"text":"hi","\u0074ype":"message"}`), "type")
	fmt.Println(string(value), ok)
	// Output: "message" true
}

func ExampleCheck() {
	fmt.Println(schema.Check([]byte(`{"a":1,"a":2}`))[0].Path)
	fmt.Println(schema.Check([]byte(`{"a":NaN}`))[0].Message)
	// Output:
	// /a
	// unexpected 'N', want a value at byte 5
}
