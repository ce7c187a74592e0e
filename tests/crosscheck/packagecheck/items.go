package main

import (
	"strconv"
	"strings"
)

// checkItems compares each file with what the stations that pulled it and the centre say of it.
func (b *bag) checkItems() {
	b.about = map[string][]event{}
	for _, item := range b.items {
		pullers := map[string]bool{b.trust.centre().ID: true}
		for _, e := range b.events {
			if e.isProved && e.asset.ID == item.ID && b.isPulled(e) && e.subject == item.Sha256 {
				pullers[e.source.ID] = true
			}
		}
		isPulled, isList := false, false
		chunks := b.fileOf(item.Chunks)
		for _, e := range b.events {
			if !e.isProved || e.asset.ID != item.ID || len(pullers) > 1 && !pullers[e.source.ID] {
				continue
			}
			b.about[item.ID] = append(b.about[item.ID], e)
			for _, blob := range e.blobs {
				if blob.Role == "footage" {
					b.fault("PKG-050", blob.Sha256 != item.Sha256 || blob.Size != item.Size)
				}
				isList = isList || blob.Role == "chunks" && e.source.ID != b.trust.centre().ID && chunks != nil && blob.Sha256 == sum(chunks)
			}
			isPulled = isPulled || b.isPulled(e) && e.subject == sum(b.fileOf(item.File))
		}
		if item.Chunks != nil && chunks != nil && !b.altered["data/"+*item.Chunks] {
			b.fault("PKG-043", !isList)
		}
		if item.File != nil && b.fileOf(item.File) != nil && !b.altered["data/"+*item.File] {
			b.fault("PKG-042", !isPulled)
		}
	}
}

func (b *bag) isPulled(e event) bool {
	return e.kind == "footage.pulled" && e.source.ID != b.trust.centre().ID
}

func (b *bag) fileOf(path *string) []byte {
	if path == nil {
		return nil
	}
	return b.files["data/"+*path]
}

func (b *bag) checkBlobs() {
	beside, needed, isAllProved := map[string]bool{}, map[string]bool{}, true
	for _, item := range b.items {
		beside["footage "+item.Sha256] = true
		if chunks := b.fileOf(item.Chunks); chunks != nil {
			beside["chunks "+sum(chunks)] = true
		}
	}
	said := []event{}
	for _, e := range b.events {
		isAllProved = isAllProved && e.isProved
		if e.isProved && e.kind == "recorder.docked" {
			said = append(said, e)
		}
	}
	for _, events := range b.about {
		said = append(said, events...)
	}
	for _, e := range said {
		for _, blob := range e.blobs {
			path := "data/blobs/" + blob.Sha256
			data, isThere := b.files[path]
			if beside[blob.Role+" "+blob.Sha256] {
				continue
			}
			needed[path] = true
			isOfItem := blob.Role == "footage" || blob.Role == "chunks" // told with the item
			b.fault("PKG-043", !isThere && !isOfItem && b.named[path] == "")
			b.fault("PKG-043", isThere && !b.altered[path] && (sum(data) != blob.Sha256 || strconv.Itoa(len(data)) != blob.Size))
		}
	}
	for path := range b.files {
		b.fault("PKG-050", strings.HasPrefix(path, "data/blobs/") && !needed[path] && isAllProved && len(b.items) > 0)
	}
}

func (b *bag) checkBelongs() {
	if !b.listed {
		return
	}
	items, brought, docked, enrolled := map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, item := range b.items {
		items[item.ID] = item.Sha256
	}
	for _, e := range b.events {
		docking := e.source.ID + " " + e.session
		if e.kind == "footage.pulled" && items[e.asset.ID] != "" && items[e.asset.ID] == e.subject {
			brought[docking] = true
		}
		docked[docking] = docked[docking] || e.kind == "recorder.docked"
		if e.kind == "key.enrolled" && e.source.ID == b.trust.centre().ID {
			enrolled[e.subject] = true
		}
	}
	for _, e := range b.events {
		belongs := false
		switch {
		case e.kind == "key.enrolled" || e.kind == "key.revoked":
			belongs = b.signers[e.subject] || e.subject == sum(unhex(b.trust.log()))
		case e.kind == "log.sealed":
			belongs = e.source.ID == b.trust.centre().ID
		case e.asset.ID != "":
			belongs = items[e.asset.ID] != ""
		case e.kind == "recorder.docked":
			belongs = brought[e.source.ID+" "+e.session]
		default:
			for _, asset := range e.assets {
				belongs = belongs || items[asset] != ""
			}
		}
		b.fault("PKG-044", !belongs)
	}
	for docking := range brought {
		b.fault("PKG-045", !docked[docking])
	}
	for id := range b.signers {
		b.fault("PKG-045", !enrolled[id])
	}
}
