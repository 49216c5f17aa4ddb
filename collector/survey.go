package collector

import "time"

// surveyEvery is how often the exporters are looked at for what no packet of
// theirs brings to light.
const surveyEvery = 5 * time.Second

// startSurveys surveys the exporters until stop is called, which returns when
// no survey is under way.
func (c *Collector) startSurveys() (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(surveyEvery)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				c.survey()
				c.expireTemplates(time.Since(c.started))
				c.adviseStore()
			case <-stopped:
				return
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}

// survey logs what only shows when the streams are seen together, or when a
// packet does not come: several devices behind one address, ports that change,
// gaps that nothing closed.
func (c *Collector) survey() {
	now := time.Since(c.started)
	all := make(exporters)
	for _, intakes := range c.intakes {
		for _, in := range intakes {
			for _, n := range in.survey(all, c.accounts, now) {
				c.notices.found(&n, now)
			}
		}
	}
	for address, e := range all {
		c.notices.surveyed(address, &e, now)
	}
	c.accounts.close(all, c.refused(now), now)
	c.accounts.meter(c.cfg.MetricsExporters, c.inventory)
}

// refused returns the senders whose datagrams were refused, of all sockets.
func (c *Collector) refused(now time.Duration) map[[16]byte]refusedSender {
	all := make(map[[16]byte]refusedSender)
	for _, intakes := range c.intakes {
		for _, in := range intakes {
			in.mu.Lock()
			in.senders.addTo(all, now)
			in.mu.Unlock()
		}
	}
	return all
}

// survey adds the socket's streams to all, books what they did since the last survey,
// and returns the losses since then, with some of before.
func (in *intake) survey(all exporters, books *accounts, now time.Duration) (losses []news) {
	in.mu.Lock()
	defer in.mu.Unlock()
	books.mu.Lock()
	defer books.mu.Unlock()
	books.others.add(&in.streams.forgotten)
	in.streams.forgotten = tally{}
	in.streams.closeGaps(now, func(st *stream) {
		all.add(st, now)
		books.book(st)
		if st.lossy && now-st.lost <= 2*surveyEvery {
			losses = append(losses, news{st.key, foundLoss, st.standing})
		}
	})
	return losses
}
