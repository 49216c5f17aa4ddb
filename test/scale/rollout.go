package main

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// What is known of pods and exporters, all times in seconds.
const (
	// newPod is how long a roll-out takes for each group of pods that it replaces at a
	// time: starting, and minReadySeconds.
	newPod = 10
	// detection is how long datagrams go to a node that is gone.
	detection = 10
	// lingering is what a pod that is killed loses besides: what it had not delivered.
	lingering = 0.2
	// recordsEach is how many flows a datagram has, flowsEach how many an exporter sends a
	// second.
	recordsEach      = 30
	flowsEach        = 300.0
	datagramsASecond = flowsEach / recordsEach
	// waitingTime and waitingSets bound the data that wait for their template.
	waitingTime = 60
	waitingSets = 256
	// templatesEach is how many templates an exporter has; restorable how many a process
	// takes from the topic.
	templatesEach = 8
	restorable    = 3 << 14
)

// refresh is how often an exporter sends its templates: after so many seconds, or so many
// datagrams if that is sooner.
type refresh struct {
	name      string
	seconds   float64
	datagrams float64
}

var refreshes = []refresh{
	{"60 s", 60, math.Inf(1)},
	{"10 minutes", 600, math.Inf(1)},
	{"30 minutes", 1800, math.Inf(1)},
	{"20 datagrams, or 30 minutes", 1800, 20},
}

// interval is the time from one to the next, for an exporter of a rate.
func (r refresh) interval(datagrams float64) float64 { return min(r.seconds, r.datagrams/datagrams) }

// outcome is what a roll-out, or a lost node, does to an exporter, in seconds of its flows.
type outcome struct {
	moves  float64
	blind  float64 // not decoded, for want of a template
	marked float64 // decoded with a template from the topic, until the exporter repeats it
	gone   float64 // sent to nobody, or lost with the process
}

func (a outcome) plus(b outcome) outcome {
	return outcome{a.moves + b.moves, a.blind + b.blind, a.marked + b.marked, a.gone + b.gone}
}

func (a outcome) over(n int) outcome {
	return outcome{a.moves / float64(n), a.blind / float64(n), a.marked / float64(n), a.gone / float64(n)}
}

// stay is a time during which an exporter is on a pod that has not heard its templates.
type stay struct{ from, to float64 }

// meet returns what happens to an exporter during its stays on pods that begin with nothing.
// Templates come at next, and then each interval.
func meet(stays []stay, next, interval, datagrams float64) (o outcome) {
	rescued := min(waitingTime, waitingSets/datagrams)
	for _, s := range stays {
		for next < s.from {
			next += interval
		}
		wait := min(next, s.to) - s.from
		o.moves++
		o.marked += wait
		if next < s.to {
			wait -= min(wait, rescued)
		}
		o.blind += wait
	}
	return o
}

// rollOut replaces all pods, as many at a time as surge says, each exporter of which goes to
// one of the pods that are there then. It returns what that does to one exporter.
func rollOut(random *rand.Rand, pods, surge int, r refresh) outcome {
	var stays []stay
	old := true
	at := random.IntN(pods) // of the old pods, in the order in which they go
	for first := 0; first < pods && old; first += surge {
		last := min(first+surge, pods)
		if at >= last {
			continue
		}
		now := float64(first/surge+1) * newPod
		if n := len(stays); n > 0 {
			stays[n-1].to = now
		}
		stays = append(stays, stay{now, math.Inf(1)})
		// There are the new pods up to last, and the old ones from last on.
		at = random.IntN(pods)
		old = at >= last
	}
	interval := r.interval(datagramsASecond)
	return meet(stays, random.Float64()*interval, interval, datagramsASecond)
}

// loseNode is what becomes of an exporter whose pod is gone at once.
func loseNode(random *rand.Rand, r refresh) outcome {
	interval := r.interval(datagramsASecond)
	o := meet([]stay{{detection, math.Inf(1)}}, random.Float64()*interval, interval, datagramsASecond)
	o.gone = detection + lingering
	return o
}

// rolloutTable is what a roll-out of a few pods, and the loss of a node, costs an exporter.
func rolloutTable(o options) table {
	t := table{name: "rollout", head: []string{
		"event", "templates every", "moves", "s lost without the topic", "s lost with it", "s of flows marked",
	}}
	random := o.random(3)
	const exporters = 20_000
	for _, event := range []struct {
		name string
		of   func(r refresh) outcome
	}{
		{"3 pods rolled out", func(r refresh) outcome { return rollOut(random, 3, 1, r) }},
		{"30 pods rolled out", func(r refresh) outcome { return rollOut(random, 30, 2, r) }},
		{"a node lost", func(r refresh) outcome { return loseNode(random, r) }},
	} {
		for _, r := range refreshes {
			var sum outcome
			for range exporters * o.more {
				sum = sum.plus(event.of(r))
			}
			mean := sum.over(exporters * o.more)
			t.add(event.name, r.name, short(mean.moves), short(mean.blind+mean.gone), short(mean.gone), short(mean.marked))
		}
	}
	return t
}

// fleetTable is what a roll-out costs deployments of all sizes whose exporters repeat their
// templates every 10 minutes.
func fleetTable(o options) table {
	t := table{name: "fleet", head: []string{
		"exporters", "flows/s", "pods", "deployments", "templates each", "roll-out takes", "flows lost without the topic", "with it", "with it, in one deployment",
	}}
	random := o.random(4)
	for _, f := range []struct{ exporters, pods, deployments int }{
		{20, 1, 1}, {200, 3, 1}, {2000, 12, 1}, {5000, 50, 1}, {20_000, 200, 4}, {100_000, 1000, 20},
	} {
		each := f.pods / f.deployments
		surge := max(1, each/20)
		var sum outcome
		for range f.exporters * o.more {
			sum = sum.plus(rollOut(random, each, surge, refreshes[1]))
		}
		lost := sum.blind / float64(o.more) * flowsEach
		t.add(count(f.exporters), count(float64(f.exporters)*flowsEach), count(f.pods), count(f.deployments),
			count(f.exporters/f.deployments*templatesEach), duration(float64((each+surge-1)/surge*newPod)),
			count(lost), count(lost*unknown(f.exporters/f.deployments)), count(lost*unknown(f.exporters)))
	}
	return t
}

// unknown is the share of the exporters' templates that a process does not take from the
// topic, for want of room.
func unknown(exporters int) float64 {
	return max(0, 1-float64(restorable)/float64(exporters*templatesEach))
}

// duration prints seconds.
func duration(seconds float64) string {
	switch {
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", seconds*1000)
	case seconds < 120:
		return short(seconds) + " s"
	}
	return fmt.Sprintf("%.0f minutes", seconds/60)
}
