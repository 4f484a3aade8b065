package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// simulation is what simulate was asked for.
type simulation struct {
	url      string
	key      string
	calls    int
	rate     float64
	duration time.Duration
	seed     uint64
	output   string
}

func (p *program) simulateCommand() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Send realistic call events to a running daemon",
		Long: "Send realistic call events to a running daemon, by default one of configs/demo.yaml, and say how fast they\n" +
			"were acknowledged. The customers are those of the sandbox CRM.",
	}
	outputFlag(cmd, &s.output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.simulate(cmd, s) }
	cmd.Flags().StringVar(&s.url, "url", "http://127.0.0.1:8080/webhooks/alohub", "where the daemon takes webhooks")
	cmd.Flags().StringVar(&s.key, "key", "", "authorization key (or CRMSYNCD_SIMULATE_KEY); default: that of the demo")
	cmd.Flags().IntVar(&s.calls, "calls", 100, "stop after this many calls; 0: only --duration stops")
	cmd.Flags().Float64Var(&s.rate, "rate", 5, "new calls a second, on average")
	cmd.Flags().DurationVar(&s.duration, "duration", 0, "stop after this time; 0: only --calls stops")
	cmd.Flags().Uint64Var(&s.seed, "seed", demoSeed, "seed of the traffic; the sandbox knows the customers of the default one")
	return cmd
}

// callSpeed is how much faster than life the calls of simulate run: five minutes of talk take five seconds.
const callSpeed = 60

// simulate sends events and prints what became of them.
func (p *program) simulate(cmd *cobra.Command, s simulation) error {
	switch {
	case s.calls < 0 || s.duration < 0 || s.rate <= 0:
		return usageError(errors.New("--calls and --duration must not be negative, --rate must be positive"))
	case s.calls == 0 && s.duration == 0:
		return usageError(errors.New("name --calls or --duration: it would never end"))
	}
	if s.key == "" {
		if s.key = p.env("CRMSYNCD_SIMULATE_KEY"); s.key == "" {
			s.key = demoKey
		}
	}
	generator, err := traffic.New(traffic.Options{
		Seed: s.seed, Start: time.Now(), Contacts: traffic.NewContacts(demoSeed, demoContacts),
	})
	if err != nil {
		return err
	}
	ctx, stop := withSignals(cmd.Context(), p.logger(quiet))
	defer stop()
	to := newSender(s.url, s.key)
	started := 0
	line := p.progress(s.calls, "calls")
	began := time.Now()
	to.send(ctx, func(yield func(traffic.Event) bool) {
		calls := map[string]bool{}
		ended := 0
		for e := range generator.Stream(s.rate, callSpeed) {
			if s.duration > 0 && e.At > s.duration {
				return
			}
			if !calls[e.CallID] {
				if s.calls > 0 && len(calls) == s.calls {
					continue
				}
				calls[e.CallID] = true
				started = len(calls)
			}
			if !yield(e) {
				return
			}
			if e.Final {
				ended++
			}
			if s.calls > 0 && ended == s.calls {
				return
			}
		}
	}, func(t tally) {
		line.show(t.Sent-t.Duplicate, fmt.Sprintf("%d events, %d duplicate, %d refused", t.Sent, t.Duplicate, t.Refused))
	})
	line.done()
	return p.report(s, to.total(), started, time.Since(began))
}

// report prints the figures of a simulation. Refused events are an error: the daemon should have taken them.
func (p *program) report(s simulation, t tally, calls int, took time.Duration) error {
	figures := struct {
		tally
		Calls   int     `json:"calls"`
		Seconds float64 `json:"seconds"`
		latency
	}{t, calls, took.Seconds(), newLatency(t)}
	if s.output == outputJSON {
		if err := json.NewEncoder(p.out).Encode(figures); err != nil {
			return err
		}
	} else {
		table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(table, "calls\t%d\nevents sent\t%d\naccepted\t%d\nduplicate\t%d\nrefused\t%d\nsent again\t%d\n",
			calls, t.Sent, t.Accepted, t.Duplicate, t.Refused, t.Resent)
		fmt.Fprintf(table, "acknowledged\t%s\n", figures.latency)
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if t.Refused > 0 {
		return fmt.Errorf("%d of %d events were refused, the last one: %w", t.Refused, t.Sent, t.lastError)
	}
	return nil
}

// latency is how fast events were acknowledged, in milliseconds.
type latency struct {
	P50 float64 `json:"ack_p50_ms"`
	P95 float64 `json:"ack_p95_ms"`
	P99 float64 `json:"ack_p99_ms"`
	Max float64 `json:"ack_max_ms"`
}

func newLatency(t tally) latency {
	ms := func(share float64) float64 { return float64(t.quantile(share).Microseconds()) / 1000 }
	return latency{P50: ms(0.5), P95: ms(0.95), P99: ms(0.99), Max: ms(1)}
}

// String returns the latencies for people.
func (l latency) String() string {
	return strings.TrimSpace(fmt.Sprintf("p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, at most %.1f ms", l.P50, l.P95, l.P99, l.Max))
}
