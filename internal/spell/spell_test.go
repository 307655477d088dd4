package spell_test

import (
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/spell"
)

func TestNearest(t *testing.T) {
	names := []string{"message", "activity", "join"}
	tests := []struct{ word, want string }{
		{"mesage", "message"},
		{"messgae", "message"}, // neighbours swapped are one slip
		{"activitiy", "activity"},
		{"joi", "join"},
		{"jo", ""}, // half of the word would have to change
		{"leave", ""},
		{"", ""},
		{"messages_of_the_day", ""},
	}
	for _, tt := range tests {
		if got, ok := spell.Nearest(tt.word, names); got != tt.want && (ok || tt.want != "") {
			t.Errorf("Nearest(%q) = %q, %v, want %q", tt.word, got, ok, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b        string
		limit, want int
	}{
		{"abc", "abc", 3, 0},
		{"abc", "acb", 3, 1},
		{"abc", "ab", 3, 1},
		{"", "ab", 3, 2},
		{"kitten", "sitting", 9, 3},
		{"kitten", "sitting", 2, 2},
		{"a", "a long word", 3, 3},
	}
	for _, tt := range tests {
		if got := spell.Distance(tt.a, tt.b, tt.limit); got != tt.want {
			t.Errorf("Distance(%q, %q, %d) = %d, want %d", tt.a, tt.b, tt.limit, got, tt.want)
		}
		if got := spell.Distance(tt.b, tt.a, tt.limit); got != tt.want {
			t.Errorf("Distance(%q, %q, %d) = %d, want %d", tt.b, tt.a, tt.limit, got, tt.want)
		}
	}
}
