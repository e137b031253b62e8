package locktest

import (
	"context"
	"log/slog"
)

// WhenWaiting returns a logger that closes c when a lock logs that it waits:
// then it has its place in the queue.
func WhenWaiting(c chan<- struct{}) *slog.Logger { return slog.New(waitingHandler{c}) }

type waitingHandler struct{ c chan<- struct{} }

func (h waitingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h waitingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "waiting" {
		close(h.c)
	}
	return nil
}

func (h waitingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h waitingHandler) WithGroup(string) slog.Handler      { return h }
