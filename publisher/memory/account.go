package memory

// Account is what one partition or stage holds of the budget. Its owner's lock
// guards dead and failing as well as the budget's: both are held to change them.
type Account struct {
	held int64
	// dead: its owner fails to deliver. failing: and is held back for that.
	dead, failing bool
	// counted: it is one of the budget's partitions.
	counted bool
	// unknown: it is the stage of a topic whose partitions are not known.
	unknown bool
	// peak and last are the most it held in this needWindow and the one before.
	peak, last int64
}

// NewStage returns the account of a stage. It fails while nothing can leave it: as
// long as the topic's partitions are not known.
func NewStage(unknown bool) *Account {
	return &Account{dead: unknown, failing: unknown, unknown: unknown}
}

// Failing reports whether the account fails. The caller holds its owner's lock.
func (a *Account) Failing() bool { return a.failing }

// Held is what the account holds, in bytes. No other goroutine may change it.
func (a *Account) Held() int64 { return a.held }

// most is what the account has held lately.
func (a *Account) most() int64 { return max(a.peak, a.last) }

// Charge is a budget on behalf of an account.
type Charge struct {
	budget  *Budget
	account *Account
}

// For returns the budget on behalf of an account.
func (b *Budget) For(a *Account) Charge { return Charge{b, a} }

// Exchange is that of the budget.
func (c Charge) Exchange(buf []byte, n int) []byte { return c.budget.Exchange(c.account, buf, n) }

// Capacity is Size.
func (Charge) Capacity(n int) int { return Size(n) }

// Release is that of the budget.
func (c Charge) Release(buf []byte) { c.budget.Release(buf) }

// Force is that of the budget.
func (c Charge) Force(n int) []byte { return c.budget.Force(c.account, n) }

// Give is that of the budget.
func (c Charge) Give(buf []byte) { c.budget.Give(c.account, buf) }
