package publisher

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/memory"
)

// core is what the parts of a publisher share. It is complete before any of them
// begins, and refers to none of them.
type core struct {
	cfg     Config
	log     *slog.Logger
	notices *notice.Limiter
	budget  *memory.Budget
	sealers chan *batch.Sealer
	cluster *cluster.Cluster
	placer  *Placer

	failures       *failureCounts
	produceSeconds *histogram
	peers          *peers

	ctx      context.Context // ends when no more attempts are to be made
	cancel   context.CancelFunc
	working  sync.WaitGroup                    // everything that Close waits for
	jitter   func(time.Duration) time.Duration // a random part of it
	progress chan struct{}                     // has a token after a batch was settled
}

// newCore returns a core that lacks the cluster.
func newCore(cfg *Config) *core {
	c := &core{
		cfg:            *cfg,
		log:            cfg.Logger,
		placer:         NewPlacer(cfg.Partitioner, cfg.Spreads),
		failures:       newFailureCounts(),
		produceSeconds: newHistogram(),
		peers:          newPeers(),
		progress:       make(chan struct{}, 1),
		jitter:         rand.N[time.Duration],
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.notices = notice.New(c.log)
	c.budget = memory.New(int64(cfg.BufferBytes), MaxBatchBytes, cfg.packetBytes(), len(cfg.topics()))
	c.sealers = make(chan *batch.Sealer, runtime.GOMAXPROCS(0))
	for range cap(c.sealers) {
		c.sealers <- batch.NewSealer(cfg.Compression)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// settledSome tells Close that something was settled.
func (c *core) settledSome() {
	select {
	case c.progress <- struct{}{}:
	default:
	}
}
