// Go's channels in the shapes of bench/engine/plan.hpp, which says what they are.
//
// `peers ROW...` runs each row once and prints a JSON object for it. Where the other programs have threads this one has
// goroutines, which is what Go offers: as many of them, on as many processors as the machine has. Go has no unbounded
// channel, so those rows are left out.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type row struct {
	name, shape                            string
	capacity, senders, receivers, messages int
}

func parse(text string) (row, bool) {
	var r row
	fields := strings.Split(text, ":")
	if len(fields) != 4 {
		return r, false
	}
	r.name = fields[0]
	numbers := []*int{&r.senders, &r.receivers, &r.messages}
	for i, number := range numbers {
		value, err := strconv.Atoi(fields[i+1])
		if err != nil {
			return r, false
		}
		*number = value
	}
	shape, capacity, found := strings.Cut(r.name, "/")
	r.shape = shape
	switch capacity {
	case "unbounded":
		r.capacity = -1
	case "all":
		r.capacity = r.messages
	default:
		value, err := strconv.Atoi(capacity)
		if err != nil {
			return r, false
		}
		r.capacity = value
	}
	return r, found
}

func send(c chan uint64, n int) {
	for i := 0; i < n; i++ {
		c <- uint64(i)
	}
}

func receive(c chan uint64, n int) (sum uint64) {
	for i := 0; i < n; i++ {
		sum += <-c
	}
	return sum
}

// A select in Go names its channels in the source: one of two and one of four, as in the plan.

func selectSend4(c []chan uint64, n int) {
	a, b, c2, d := c[0], c[1], c[2], c[3]
	for i := 0; i < n; i++ {
		value := uint64(i)
		select {
		case a <- value:
		case b <- value:
		case c2 <- value:
		case d <- value:
		}
	}
}

func selectReceive(c []chan uint64, n int) (sum uint64) {
	a, b := c[0], c[1]
	if len(c) == 2 {
		for i := 0; i < n; i++ {
			select {
			case value := <-a:
				sum += value
			case value := <-b:
				sum += value
			}
		}
		return sum
	}
	c2, d := c[2], c[3]
	for i := 0; i < n; i++ {
		select {
		case value := <-a:
			sum += value
		case value := <-b:
			sum += value
		case value := <-c2:
			sum += value
		case value := <-d:
			sum += value
		}
	}
	return sum
}

// The sum of what was received; all goroutines have ended.
func (r row) work(c []chan uint64) uint64 {
	n := r.messages
	sums := make(chan uint64, r.receivers)
	done := make(chan bool, r.senders)
	senders := 0
	start := func(work func()) {
		senders++
		go func() {
			work()
			done <- true
		}()
	}
	var sum uint64
	switch {
	case r.shape == "pair":
		for i := 0; i < n; i++ {
			c[0] <- uint64(i)
			sum += <-c[0]
		}
	case r.shape == "seq":
		send(c[0], n)
		sum = receive(c[0], n)
	case r.shape == "ping_pong":
		start(func() {
			var value uint64 // what is sent depends on what came
			for i := 0; i < n; i++ {
				c[0] <- value
				value = <-c[1] + 1
			}
		})
		for i := 0; i < n; i++ {
			value := <-c[0]
			sum += value
			c[1] <- value
		}
	case r.shape == "select_both":
		for i := 0; i < r.senders; i++ {
			start(func() { selectSend4(c, n/r.senders) })
		}
		for i := 1; i < r.receivers; i++ {
			go func() { sums <- selectReceive(c, n/r.receivers) }()
		}
		sum = selectReceive(c, n/r.receivers)
	case strings.HasPrefix(r.shape, "select"):
		for _, channel := range c {
			channel := channel
			start(func() { send(channel, n/r.senders) })
		}
		sum = selectReceive(c, n)
	default:
		for i := 0; i < r.senders; i++ {
			start(func() { send(c[0], n/r.senders) })
		}
		for i := 1; i < r.receivers; i++ {
			go func() { sums <- receive(c[0], n/r.receivers) }()
		}
		sum = receive(c[0], n/r.receivers)
	}
	for i := 0; i < senders; i++ {
		<-done
	}
	for i := 1; i < r.receivers; i++ {
		sum += <-sums
	}
	return sum
}

func (r row) nanos() float64 {
	count := 1
	switch {
	case r.shape == "ping_pong":
		count = 2
	case strings.HasPrefix(r.shape, "select"):
		count = r.senders
	}
	channels := make([]chan uint64, count)
	for i := range channels {
		channels[i] = make(chan uint64, r.capacity)
	}
	start := time.Now()
	sum := r.work(channels)
	took := time.Since(start)

	threads := r.senders
	if r.shape == "pair" || r.shape == "seq" || r.shape == "ping_pong" {
		threads = 1
	}
	each := uint64(r.messages / threads)
	if sum != uint64(threads)*(each*(each-1)/2) {
		fmt.Fprintf(os.Stderr, "%s of Go: what was received is not what was sent\n", r.name)
		os.Exit(1)
	}
	return float64(took.Nanoseconds()) / float64(r.messages)
}

func main() {
	for _, text := range os.Args[1:] {
		r, ok := parse(text)
		if !ok {
			fmt.Fprintf(os.Stderr, "no row: %s\n", text)
			os.Exit(2)
		}
		if r.capacity < 0 {
			continue
		}
		nanos := r.nanos()
		fmt.Printf("{\"who\": \"Go\", \"shape\": %q, \"ns_per_message\": %.2f, \"samples\": [%.2f]}\n", r.name, nanos, nanos)
	}
}
