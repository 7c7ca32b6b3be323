// Reads a recorded history of a hub's rooms, and checks with porcupine that it is linearizable: that
// the calls, each at one moment between its begin and its end, are those of one append-only log for
// each room.
//
//	linearizable history.json
//
// It prints one line, and exits with 1 if the history is not linearizable, with 2 if it could not be
// checked.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// The time limit of a check. One that takes longer proves nothing.
const timeout = 60 * time.Second

// A call of a client. The kind is one of:
//
//	post     the message Entries[0], with its position if the hub has answered
//	list     the whole log, which was Entries
//	deliver  Entries[0] arrived at a subscriber after the position Prev
type call struct {
	Client int
	Room   string
	Kind   string
	// Nanoseconds since the recording began. A call without an answer has no end.
	Begin   int64
	End     *int64
	Prev    uint64
	Entries []entry
}

// A message and its position, which is 0 if the client does not know it.
type entry struct {
	ID  string
	Seq uint64
}

// log is the state of the model. It is never changed, only copied.
type log []entry

func (l log) last() uint64 {
	if len(l) == 0 {
		return 0
	}
	return l[len(l)-1].Seq
}

func model(next map[string]map[uint64]uint64) porcupine.Model {
	return porcupine.Model{
		Partition: byRoom,
		Init:      func() any { return log(nil) },
		Equal:     func(a, b any) bool { return slices.Equal(a.(log), b.(log)) },
		Hash:      func(l any) uint64 { return l.(log).last() },
		Step: func(state, input, _ any) (bool, any) {
			return step(state.(log), input.(call), next[input.(call).Room])
		},
	}
}

// step returns whether a room's log may answer the call so, and the log after it.
func step(l log, c call, next map[uint64]uint64) (bool, log) {
	switch c.Kind {
	case "post":
		posted := c.Entries[0]
		for _, known := range l {
			if known.ID == posted.ID {
				return known.Seq == posted.Seq, l
			}
		}
		// Positions are not contiguous. That the log grows only by the next one that anybody has
		// seen spares porcupine the orders that fail later.
		return posted.Seq != 0 && posted.Seq == next[l.last()], append(slices.Clip(l), posted)
	case "list":
		return slices.Equal(l, log(c.Entries)), l
	case "deliver":
		at := slices.Index(l, c.Entries[0])
		return at >= 0 && l[:at].last() == c.Prev, l
	}
	return false, l
}

func byRoom(history []porcupine.Operation) [][]porcupine.Operation {
	rooms := map[string][]porcupine.Operation{}
	for _, operation := range history {
		room := operation.Input.(call).Room
		rooms[room] = append(rooms[room], operation)
	}
	var parts [][]porcupine.Operation
	for _, part := range rooms {
		parts = append(parts, part)
	}
	return parts
}

// complete gives each post without an answer what others have seen of its message: the position, and
// an end. If it happened, it did before anybody had seen the message; afterwards it can only have
// found the message stored. A post that nobody has seen may not have happened, and is left out. It
// also returns the successor of each position in each room.
func complete(calls []call) ([]call, map[string]map[uint64]uint64) {
	type key struct{ room, id string }
	type sight struct {
		seq uint64
		end int64
	}
	sights := map[key]sight{}
	seqs := map[string][]uint64{}
	for _, c := range calls {
		for _, seen := range c.Entries {
			if c.End == nil {
				continue
			}
			at := key{c.Room, seen.ID}
			if first, ok := sights[at]; !ok || *c.End < first.end {
				sights[at] = sight{seen.Seq, *c.End}
			}
			seqs[c.Room] = append(seqs[c.Room], seen.Seq)
		}
	}
	next := map[string]map[uint64]uint64{}
	for room, seqs := range seqs {
		slices.Sort(seqs)
		next[room] = map[uint64]uint64{}
		before := uint64(0)
		for _, seq := range slices.Compact(seqs) {
			next[room][before] = seq
			before = seq
		}
	}
	var known []call
	for _, c := range calls {
		if c.End == nil {
			first, ok := sights[key{c.Room, c.Entries[0].ID}]
			if !ok || first.end < c.Begin {
				continue
			}
			c.Entries[0].Seq, c.End = first.seq, &first.end
		}
		known = append(known, c)
	}
	return known, next
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: linearizable history.json")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	var calls []call
	if err := json.Unmarshal(text, &calls); err != nil {
		fail(err)
	}
	known, next := complete(calls)
	var history []porcupine.Operation
	for _, c := range known {
		history = append(history, porcupine.Operation{ClientId: c.Client, Input: c, Call: c.Begin, Return: *c.End})
	}
	began := time.Now()
	result := porcupine.CheckOperationsTimeout(model(next), history, timeout)
	fmt.Printf("%s: %d calls, checked in %v\n", result, len(history), time.Since(began).Round(time.Millisecond))
	switch result {
	case porcupine.Ok:
	case porcupine.Illegal:
		os.Exit(1)
	default:
		os.Exit(2)
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}
