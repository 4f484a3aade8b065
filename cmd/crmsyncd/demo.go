package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// The people of the demo: sandbox, simulate and demo agree on them by the seed.
const (
	demoSeed     = 20240113
	demoContacts = 40
	demoAgents   = 8
	// demoKey is the authorization key of configs/demo.yaml.
	demoKey = "demo-key-not-for-production"
)

// demo is one run of the demo command.
type demo struct {
	*program

	calls    int
	duration time.Duration
	keep     bool
	output   string

	crm    *sandbox.Server
	daemon *daemon
}

func (p *program) demoCommand() *cobra.Command {
	d := &demo{program: p}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A call centre's day in a minute: sandbox CRM, daemon and traffic",
		Long: "Run a sandbox CRM and the daemon, send the call events of a small call centre's day, and say what became of\n" +
			"each call. Everything is on loopback; nothing is kept.",
	}
	outputFlag(cmd, &d.output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) }
	cmd.Flags().IntVar(&d.calls, "calls", 120, "how many calls the day has")
	cmd.Flags().DurationVar(&d.duration, "duration", time.Minute, "how long the day takes")
	cmd.Flags().BoolVar(&d.keep, "keep", false, "go on afterwards, so that the pages can be looked at, until interrupted")
	return cmd
}

// run opens everything, lets the day pass and prints the summary.
func (d *demo) run(ctx context.Context) error {
	if d.calls < 1 || d.duration <= 0 {
		return usageError(errors.New("--calls and --duration must be positive"))
	}
	folder, err := os.MkdirTemp("", "crmsyncd-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	pages, err := listenNear(ctx, "127.0.0.1:8090")
	if err != nil {
		return err
	}
	defer func() { _ = pages.Close() }()
	if err := d.open(ctx, folder, pages.Addr()); err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, d.logger(quiet))
	defer stop()
	running, stopAll := context.WithCancel(ctx)
	defer stopAll()
	var parts errgroup.Group
	parts.Go(func() error { return d.crm.Serve(context.WithoutCancel(ctx), pages) })
	parts.Go(func() error {
		defer func() { _ = pages.Close() }()
		return d.daemon.Run(running)
	})
	d.addresses(pages.Addr())
	sum, err := d.day(ctx)
	if err == nil {
		err = d.print(sum)
	}
	if err == nil && d.keep {
		fmt.Fprintln(d.err, "the pages stay until you press Ctrl-C")
		<-ctx.Done()
	}
	stopAll()
	return errors.Join(err, ignoreClosed(parts.Wait()))
}

// ignoreClosed passes over the error of a listener that was closed on purpose.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// open makes the CRM with its people and the daemon.
func (d *demo) open(ctx context.Context, folder string, crmAddress net.Addr) error {
	d.crm = sandbox.New(sandbox.Options{Faults: true, Seed: demoSeed})
	if err := populate(d.crm, demoSeed, demoContacts); err != nil {
		return err
	}
	// A CRM as it is: some milliseconds away, now and then an error, now and then an answer that gets lost.
	err := d.crm.SetFaults(sandbox.Faults{
		Latency:    sandbox.Latency{Trigger: sandbox.Trigger{Ratio: 1}, Min: 5 * time.Millisecond, Max: 40 * time.Millisecond},
		Failure:    sandbox.Failure{Trigger: sandbox.Trigger{Ratio: 0.02}, Status: 503},
		LostAnswer: sandbox.Trigger{Ratio: 0.02},
	})
	if err != nil {
		return err
	}
	public, err := freeNear(ctx, "127.0.0.1:8080")
	if err != nil {
		return err
	}
	private, err := freeNear(ctx, "127.0.0.1:9090")
	if err != nil {
		return err
	}
	cfg, err := configs.LoadBytes("the demo's own configuration", configs.Demo(), []string{
		"CRMSYNCD_RECEIVER__LISTEN=" + public, "CRMSYNCD_ADMIN__LISTEN=" + private,
		"CRMSYNCD_CRM__BASE_URL=http://" + crmAddress.String() + "/api/v1",
		"CRMSYNCD_OUTBOX__PATH=" + filepath.Join(folder, "outbox.db"),
	})
	if err != nil {
		return err
	}
	// A call that is parked is an error in the log of a daemon; here the summary and the console tell of it.
	d.daemon, err = newDaemon(ctx, cfg, slog.New(slog.DiscardHandler))
	return err
}

// listenNear listens on an address or, when that is taken, on any port of its host.
func listenNear(ctx context.Context, address string) (net.Listener, error) {
	var listener net.ListenConfig
	l, err := listener.Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return listener.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}

// freeNear returns an address that can be listened on: the given one or another port of its host.
func freeNear(ctx context.Context, address string) (string, error) {
	l, err := listenNear(ctx, address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// populate gives a sandbox its contacts and users.
func populate(crm *sandbox.Server, seed uint64, contacts int) error {
	for _, c := range traffic.NewContacts(seed, contacts) {
		if _, err := crm.AddContact(sandbox.Contact{Name: c.Name, Phone: c.Phone, TransactionID: c.TransactionID}); err != nil {
			return err
		}
	}
	for _, a := range traffic.NewAgents(seed, demoAgents) {
		if _, err := crm.AddUser(sandbox.User{Name: a.UserName, Extension: a.Extension}); err != nil {
			return err
		}
	}
	return nil
}

// addresses says where to look.
func (d *demo) addresses(crmAddress net.Addr) {
	out := d.out
	if d.output == outputJSON {
		out = d.err
	}
	fmt.Fprintf(out, "what a salesperson sees   http://%s/\n", crmAddress)
	fmt.Fprintf(out, "what an operator sees     http://%s/\n", d.daemon.private.Addr())
	fmt.Fprintf(out, "metrics                   http://%s/metrics\n", d.daemon.private.Addr())
	fmt.Fprintf(out, "webhooks                  http://%s/webhooks/alohub\n\n", d.daemon.public.Addr())
}

// day sends the events of the day, waits until every call is delivered or parked, and sums up.
func (d *demo) day(ctx context.Context) (summary, error) {
	generator, err := traffic.New(traffic.Options{
		Seed: demoSeed, Start: time.Now().Add(-8 * time.Hour), Contacts: traffic.NewContacts(demoSeed, demoContacts),
		Agents: traffic.NewAgents(demoSeed, demoAgents),
	})
	if err != nil {
		return summary{}, err
	}
	events, truths, err := generator.Day(d.calls, d.duration)
	if err != nil {
		return summary{}, err
	}
	to := newSender("http://"+d.daemon.public.Addr().String()+"/webhooks/alohub", demoKey)
	line := d.progress(len(events), "events")
	began := time.Now()
	show := func(t tally) {
		states := d.daemon.store.Stats().States
		line.show(t.Sent, fmt.Sprintf("%d of %d events sent, %d calls in the CRM, %d waiting, %d parked", t.Sent, len(events),
			states[outbox.Delivered], states[outbox.Pending]+states[outbox.InFlight], states[outbox.Parked]))
	}
	to.send(ctx, slices.Values(events), show)
	d.settle(ctx, func() { show(to.total()) })
	line.done()
	if ctx.Err() != nil {
		return summary{}, errors.New("interrupted before the day was over")
	}
	return d.sum(to.total(), truths, time.Since(began)), nil
}

// settleWithin bounds how long the demo waits for the last calls: match.wait of configs/demo.yaml and then some.
const settleWithin = time.Minute

// settle waits until no call is on its way any more.
func (d *demo) settle(ctx context.Context, show func()) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		changed := d.daemon.store.Changed()
		states := d.daemon.store.Stats().States
		if states[outbox.Pending]+states[outbox.InFlight] == 0 {
			return
		}
		show()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
