package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// DefaultRetentionBytes is what a partition keeps when Config says nothing:
// about 100,000 uncompressed flow records.
const DefaultRetentionBytes = 16 << 20

// MinRetentionBytes bounds Config.RetentionBytes: one record batch of the
// largest size that the broker accepts, and some room.
const MinRetentionBytes = 2 << 20

// MaxPartitions bounds Config.Partitions.
const MaxPartitions = 1024

// retentionInterval is how often old records are forgotten. What is produced in
// between is kept on top of the retention.
const retentionInterval = 200 * time.Millisecond

// segmentsPerPartition is into how many segments the retention of a partition
// is divided. Memory is given back a whole segment at a time.
const segmentsPerPartition = 4

// Config says what a Broker serves.
type Config struct {
	// Address is the TCP host:port to listen on, and what clients are told to
	// connect to, so it must name a host that they can reach. Empty: a free
	// port of 127.0.0.1.
	Address string
	// Topic is created at start.
	Topic string
	// Partitions is the topic's number of partitions, 1 to MaxPartitions.
	Partitions int
	// RetentionBytes is how much each partition keeps, as the producer sent it;
	// 0 means DefaultRetentionBytes. The memory used can be twice as much, plus
	// what is produced within 200 ms.
	RetentionBytes int
}

// Validate returns every mistake in c, joined, or nil.
func (c Config) Validate() error {
	var errs []error
	if c.Topic == "" {
		errs = append(errs, errors.New("broker: no topic: name the topic to create"))
	}
	if c.Partitions < 1 || c.Partitions > MaxPartitions {
		errs = append(errs, fmt.Errorf("broker: %d partitions: choose from 1 to %d", c.Partitions, MaxPartitions))
	}
	if c.RetentionBytes != 0 && c.RetentionBytes < MinRetentionBytes {
		errs = append(errs, fmt.Errorf("broker: retention is %d bytes: it must be at least %d, or 0 for %d",
			c.RetentionBytes, MinRetentionBytes, DefaultRetentionBytes))
	}
	return errors.Join(append(errs, validateAddress(c.Address))...)
}

// validateAddress refuses what would be advertised to clients in vain.
func validateAddress(address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("broker: address %q: %w: write it as host:port", address, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("broker: address %q names no host: name the one that clients connect to, such as 127.0.0.1", address)
	}
	return nil
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	topic   string
	addr    string
	stop    chan struct{}
	close   func()
}

// Start listens and creates the topic; clients may connect as soon as it
// returns. An address in use is a syscall.EADDRINUSE.
func Start(cfg Config) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	listener, err := listen(cfg.Address)
	if err != nil {
		return nil, err
	}
	cluster, err := newCluster(cfg, listener)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	b := &Broker{
		cluster: cluster,
		topic:   cfg.Topic,
		addr:    listener.Addr().String(),
		stop:    make(chan struct{}),
	}
	var retention sync.WaitGroup
	retention.Go(b.applyRetention)
	b.close = sync.OnceFunc(func() {
		// A closed cluster answers nobody: retention must have ended before.
		close(b.stop)
		retention.Wait()
		cluster.Close()
	})
	return b, nil
}

// listen binds the address.
func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	var listener *net.TCPListener
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err == nil {
		listener, err = net.ListenTCP("tcp", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("broker: cannot listen on %q: %w: choose another address, or port 0 for a free one", address, err)
	}
	return listener, nil
}

// newCluster starts kfake with the topic on listener.
func newCluster(cfg Config, listener net.Listener) (*kfake.Cluster, error) {
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID("flowpub-embedded"),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return listener, nil }),
	)
	if err != nil {
		return nil, fmt.Errorf("broker: starting: %w", err)
	}
	retention := cfg.RetentionBytes
	if retention == 0 {
		retention = DefaultRetentionBytes
	}
	err = cluster.CreateTopic(cfg.Topic, int32(cfg.Partitions), map[string]string{
		"retention.bytes": strconv.Itoa(retention),
		"segment.bytes":   strconv.Itoa(retention / segmentsPerPartition),
	})
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("broker: creating topic %q with %d partitions: %w", cfg.Topic, cfg.Partitions, err)
	}
	return cluster, nil
}

// applyRetention forgets old records until the broker is closed. Left alone,
// kfake does it once an hour.
func (b *Broker) applyRetention() {
	ticker := time.NewTicker(retentionInterval)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
			b.cluster.ApplyRetention()
		}
	}
}

// Addr returns the host:port that clients connect to.
func (b *Broker) Addr() string { return b.addr }

// Produced returns how many records the topic was ever sent, those forgotten
// included: the sum of its partitions' high watermarks. It must not be called
// after Close.
func (b *Broker) Produced() int64 {
	var records int64
	for _, partition := range b.cluster.PartitionInfos(b.topic) {
		records += partition.HighWatermark
	}
	return records
}

// Close ends the broker and cuts off its clients. All records are gone. It may
// be called more than once.
func (b *Broker) Close() { b.close() }
