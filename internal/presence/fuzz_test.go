package presence_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/presence"
)

// FuzzReceive feeds a state with messages of anybody: it does not panic, holds what it says it holds, and nothing of it is left in the end.
func FuzzReceive(f *testing.F) {
	for _, seed := range []string{
		"\x01\x01\x01b\x01\x01\x01\x01\x01\x01x",
		"\x01\x02\x01b\x02\x01\x00\x01\x01\x01y",
		"\x01\x03\x01b\x02\x01\x02\x01z\x01\x01",
		"\x01\x04\x01b\x03",
		"\x01\x05\x01b\x01\x01a",
		"\x01\x05\x01b\x00",
	} {
		f.Add([]byte(seed), []byte(seed), uint16(100))
	}
	f.Fuzz(func(t *testing.T, first, second []byte, wait uint16) {
		s := presence.New(presence.Config{Node: "a", Rand: rand.New(rand.NewPCG(1, 1))})
		s.Join(0, "r", 1, []byte("{}"))
		tick := func(now time.Duration) {
			for {
				jobs, _, _ := s.Tick(now)
				for _, j := range jobs {
					s.Done(now, j, true)
				}
				if len(jobs) == 0 {
					return
				}
			}
		}
		tick(0)
		now := time.Duration(0)
		for _, data := range [][]byte{first, second, first} {
			s.Receive(now, "r", data)
			now += time.Duration(wait) * time.Millisecond
			tick(now)
			page, _ := s.Page("r", presence.Key{}, 1000)
			if st := s.Stats(); len(page) != st.Own+st.Others && len(page) < 1000 {
				t.Fatalf("%d members, but %+v", len(page), st)
			}
		}
		tick(now + presence.TTL)
		tick(now + presence.TTL + time.Minute)
		if st := s.Stats(); st.Others+st.Held != 0 {
			t.Fatalf("after the TTL %+v", st)
		}
		s.Leave(now+2*presence.TTL, "r", 1)
		tick(now + 3*presence.TTL)
		if st := s.Stats(); st.Rooms+st.Own+st.Others+st.Held+st.Waiting != 0 {
			t.Fatalf("at the end %+v", st)
		}
	})
}
