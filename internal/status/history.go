package status

import "time"

// The ring of the history: 15 minutes, a point each HistoryEvery.
const (
	HistoryEvery  = 5 * time.Second
	historyPoints = 180
)

// Point is an interval of HistoryEvery: rates in it, each per second, and at its end what was
// buffered, in flows and in bytes, and the latency of requests, in seconds.
type Point struct {
	Received, KernelDropped, Rejected float64
	FlowsDecoded, FlowsDelivered      float64
	FlowsDropped, Missed              float64
	FlowsBuffered                     uint64
	BufferBytes                       int64
	Latency                           float64
}

// History holds the last 15 minutes. End is the time of the newest point. Each series has the
// points, the oldest first, Every seconds apart.
type History struct {
	Every          float64   `json:"every"`
	End            time.Time `json:"end"`
	Received       []float64 `json:"received"`
	KernelDropped  []float64 `json:"kernel_dropped"`
	Rejected       []float64 `json:"rejected"`
	FlowsDecoded   []float64 `json:"flows_decoded"`
	FlowsDelivered []float64 `json:"flows_delivered"`
	FlowsDropped   []float64 `json:"flows_dropped"`
	Missed         []float64 `json:"missed"`
	FlowsBuffered  []uint64  `json:"flows_buffered"`
	BufferBytes    []int64   `json:"buffer_bytes"`
	Latency        []float64 `json:"latency"`
}

// Ring holds the points of the last 15 minutes. The zero value is empty; it is for one
// goroutine at a time.
type Ring struct {
	points [historyPoints]Point
	count  int // of all that ever came
	end    time.Time
}

// Add adds the newest point, in place of the oldest.
func (r *Ring) Add(at time.Time, p *Point) {
	r.points[r.count%historyPoints] = *p
	r.count++
	r.end = at
}

// History returns the points.
func (r *Ring) History() History {
	h := History{
		Every: HistoryEvery.Seconds(), End: r.end,
		Received: []float64{}, KernelDropped: []float64{}, Rejected: []float64{},
		FlowsDecoded: []float64{}, FlowsDelivered: []float64{}, FlowsDropped: []float64{}, Missed: []float64{},
		FlowsBuffered: []uint64{}, BufferBytes: []int64{}, Latency: []float64{},
	}
	for i := max(0, r.count-historyPoints); i < r.count; i++ {
		p := &r.points[i%historyPoints]
		h.Received = append(h.Received, p.Received)
		h.KernelDropped = append(h.KernelDropped, p.KernelDropped)
		h.Rejected = append(h.Rejected, p.Rejected)
		h.FlowsDecoded = append(h.FlowsDecoded, p.FlowsDecoded)
		h.FlowsDelivered = append(h.FlowsDelivered, p.FlowsDelivered)
		h.FlowsDropped = append(h.FlowsDropped, p.FlowsDropped)
		h.Missed = append(h.Missed, p.Missed)
		h.FlowsBuffered = append(h.FlowsBuffered, p.FlowsBuffered)
		h.BufferBytes = append(h.BufferBytes, p.BufferBytes)
		h.Latency = append(h.Latency, p.Latency)
	}
	return h
}
