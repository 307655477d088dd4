package testhook

// Poison makes every pool fill what it is given back with [PoisonByte], so that whoever uses it still sends or reads these bytes. It is set
// before anything else runs, by tests alone.
var Poison bool

// PoisonByte is in no UTF-8 text four times in a row.
const PoisonByte = 0xAA

// Freed is told of all the memory that goes back to a pool.
func Freed(b []byte) {
	if Poison {
		poison(b)
	}
}

func poison(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = PoisonByte
	}
}
