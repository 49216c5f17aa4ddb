// Scale works out what a deployment of flowpub does from one host to 1,000 pods and
// 100,000 exporters, which nobody has at hand: how evenly partitions are filled, what
// templates a roll-out costs, how large the topic for templates gets, and how many
// requests brokers see. Partitions are chosen by publisher itself; the rest follows the
// rules that the documents state. The same seed gives the same tables, those of
// docs/scaling.md:
//
//	main.go      flags; the tables, in the page's order
//	table.go     a table in Markdown
//	skew.go      partitions
//	rollout.go   templates, when pods are replaced or lost
//	topic.go     the topic for templates
//	requests.go  what brokers see
//	page.go      the tables in the page
package main
