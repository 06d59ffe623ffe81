; The pool of kernels/pool.py, which says what this does and why. The state is an array of words of
; 64 bits; words that different threads write lie on different lines of the cache.
;     0 ticket: the number of the newest job     1 stop: the workers are to end
;    16 done: chunks of this job that are finished
;    32 sleepers     48 busy: a job is running
;    64 kernel  65 table  66 extent  67 grain     the job
;    68 threads  69 how often a worker looks before it sleeps
;    71 mutex_init  72 cond_init  73 lock  74 unlock  75 wait  76 broadcast  77 yield
;    78 get, 79 set OpenBLAS's threads  80 how many it had before this job, or 0
;    96 mutex  112 condition
;   128 + 16 i: the share of thread i: claim = ticket << 32 | next chunk, and at 129 + 16 i its end
;
; PAUSE is replaced by the processor's instruction for a waiting loop.

declare void PAUSE

; ---- all threads: do chunks of job %ticket, first one's own share, then those of others

define internal void @chunks(ptr %state, i64 %me, i64 %ticket) {
entry:
  %threads.at = getelementptr i64, ptr %state, i64 68
  %threads = load i64, ptr %threads.at
  %done.at = getelementptr i64, ptr %state, i64 16
  br label %share
share:
  %turn = phi i64 [ 0, %entry ], [ %turn.next, %next ]
  %whose.sum = add i64 %me, %turn
  %whose = urem i64 %whose.sum, %threads
  %claim.offset = mul i64 %whose, 16
  %claim.word = add i64 %claim.offset, 128
  %claim.at = getelementptr i64, ptr %state, i64 %claim.word
  %end.at = getelementptr i64, ptr %claim.at, i64 1
  br label %look
look:
  %claim = load atomic i64, ptr %claim.at seq_cst, align 8
  %claim.ticket = lshr i64 %claim, 32
  %ours = icmp eq i64 %claim.ticket, %ticket
  br i1 %ours, label %read, label %out
read:
  %chunk = and i64 %claim, 4294967295
  %end = load atomic i64, ptr %end.at seq_cst, align 8
  %left = icmp slt i64 %chunk, %end
  br i1 %left, label %take, label %next
take:                                             ; read the job, then claim: if the claim succeeds
  %kernel.at = getelementptr i64, ptr %state, i64 64 ; the job has not changed in between
  %kernel = load atomic ptr, ptr %kernel.at monotonic, align 8
  %table.at = getelementptr i64, ptr %state, i64 65
  %table = load atomic ptr, ptr %table.at monotonic, align 8
  %extent.at = getelementptr i64, ptr %state, i64 66
  %extent = load atomic i64, ptr %extent.at monotonic, align 8
  %grain.at = getelementptr i64, ptr %state, i64 67
  %grain = load atomic i64, ptr %grain.at monotonic, align 8
  %claimed = add i64 %claim, 1
  %swap = cmpxchg ptr %claim.at, i64 %claim, i64 %claimed seq_cst seq_cst
  %won = extractvalue { i64, i1 } %swap, 1
  br i1 %won, label %do, label %look
do:
  %start = mul i64 %chunk, %grain
  %full = add i64 %start, %grain
  %stop = call i64 @llvm.smin.i64(i64 %full, i64 %extent)
  call void %kernel(ptr %table, i64 %start, i64 %stop)
  %counted = atomicrmw add ptr %done.at, i64 1 seq_cst
  br label %look
next:
  %turn.next = add i64 %turn, 1
  %more = icmp slt i64 %turn.next, %threads
  br i1 %more, label %share, label %out
out:
  ret void
}

; ---- a worker: watch for jobs, then sleep until there is one (thread 0 returns instead)

define void @pool_worker(ptr %state, i64 %me) {
entry:
  %stop.at = getelementptr i64, ptr %state, i64 1
  %spins.at = getelementptr i64, ptr %state, i64 69
  %sleepers.at = getelementptr i64, ptr %state, i64 32
  %mutex = getelementptr i64, ptr %state, i64 96
  %condition = getelementptr i64, ptr %state, i64 112
  %lock.at = getelementptr i64, ptr %state, i64 73
  %lock = load ptr, ptr %lock.at
  %unlock.at = getelementptr i64, ptr %state, i64 74
  %unlock = load ptr, ptr %unlock.at
  %wait.at = getelementptr i64, ptr %state, i64 75
  %wait = load ptr, ptr %wait.at
  br label %watch
watch:
  %seen = phi i64 [ 0, %entry ], [ %seen, %idle ], [ %ticket, %work ], [ %seen, %awake ]
  %looks = phi i64 [ 0, %entry ], [ %looks.next, %idle ], [ 0, %work ], [ 0, %awake ]
  %ticket = load atomic i64, ptr %state seq_cst, align 8
  %new = icmp ne i64 %ticket, %seen
  br i1 %new, label %work.or.stop, label %idle
idle:
  call void PAUSE
  %looks.next = add i64 %looks, 1
  %spins = load i64, ptr %spins.at
  %patient = icmp slt i64 %looks.next, %spins
  br i1 %patient, label %watch, label %tired
work.or.stop:
  %stop = load atomic i64, ptr %stop.at seq_cst, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %out, label %work
work:
  call void @chunks(ptr %state, i64 %me, i64 %ticket)
  br label %watch
tired:
  %measured = icmp eq i64 %me, 0
  br i1 %measured, label %out, label %sleep
sleep:
  %locked = call i32 %lock(ptr %mutex)
  %s1 = atomicrmw add ptr %sleepers.at, i64 1 seq_cst
  br label %check
check:
  %now = load atomic i64, ptr %state seq_cst, align 8
  %nothing = icmp eq i64 %now, %seen
  br i1 %nothing, label %doze, label %awake
doze:
  %waited = call i32 %wait(ptr %condition, ptr %mutex)
  br label %check
awake:
  %s2 = atomicrmw sub ptr %sleepers.at, i64 1 seq_cst
  %unlocked = call i32 %unlock(ptr %mutex)
  br label %watch
out:
  ret void
}

; ---- the launcher

define internal void @wake(ptr %state) {
  %mutex = getelementptr i64, ptr %state, i64 96
  %condition = getelementptr i64, ptr %state, i64 112
  %lock.at = getelementptr i64, ptr %state, i64 73
  %lock = load ptr, ptr %lock.at
  %unlock.at = getelementptr i64, ptr %state, i64 74
  %unlock = load ptr, ptr %unlock.at
  %broadcast.at = getelementptr i64, ptr %state, i64 76
  %broadcast = load ptr, ptr %broadcast.at
  %locked = call i32 %lock(ptr %mutex)
  %waked = call i32 %broadcast(ptr %condition)
  %unlocked = call i32 %unlock(ptr %mutex)
  ret void
}

define void @pool_init(ptr %state) {
  %mutex = getelementptr i64, ptr %state, i64 96
  %condition = getelementptr i64, ptr %state, i64 112
  %mutex.init.at = getelementptr i64, ptr %state, i64 71
  %mutex.init = load ptr, ptr %mutex.init.at
  %cond.init.at = getelementptr i64, ptr %state, i64 72
  %cond.init = load ptr, ptr %cond.init.at
  %m = call i32 %mutex.init(ptr %mutex, ptr null)
  %c = call i32 %cond.init(ptr %condition, ptr null)
  ret void
}

define void @pool_finish(ptr %state) {
  %stop.at = getelementptr i64, ptr %state, i64 1
  store atomic i64 1, ptr %stop.at seq_cst, align 8
  %ticket = atomicrmw add ptr %state, i64 1 seq_cst
  call void @wake(ptr %state)
  ret void
}

define internal void @serial(ptr %kernel, ptr %table, i64 %extent, i64 %grain) {
entry:
  %some = icmp sgt i64 %extent, 0
  br i1 %some, label %loop, label %out
loop:
  %start = phi i64 [ 0, %entry ], [ %full, %loop ]
  %full = add i64 %start, %grain
  %stop = call i64 @llvm.smin.i64(i64 %full, i64 %extent)
  call void %kernel(ptr %table, i64 %start, i64 %stop)
  %more = icmp slt i64 %full, %extent
  br i1 %more, label %loop, label %out
out:
  ret void
}

define void @pool_launch(ptr %state, ptr %kernel, ptr %table, i64 %extent, i64 %grain) {
entry:
  %busy.at = getelementptr i64, ptr %state, i64 48
  %take = cmpxchg ptr %busy.at, i64 0, i64 1 seq_cst seq_cst
  %ours = extractvalue { i64, i1 } %take, 1
  br i1 %ours, label %blas, label %alone
alone:                                            ; someone else's job is running
  call void @serial(ptr %kernel, ptr %table, i64 %extent, i64 %grain)
  ret void
blas:                                             ; OpenBLAS must not start threads of its own
  %get.at = getelementptr i64, ptr %state, i64 78
  %get = load ptr, ptr %get.at
  %has.blas = icmp ne ptr %get, null
  br i1 %has.blas, label %blas.get, label %enter
blas.get:
  %before32 = call i32 %get()
  %many = icmp sgt i32 %before32, 1
  br i1 %many, label %blas.set, label %enter
blas.set:
  %set.at = getelementptr i64, ptr %state, i64 79
  %set = load ptr, ptr %set.at
  %saved.at = getelementptr i64, ptr %state, i64 80
  %before64 = sext i32 %before32 to i64
  store i64 %before64, ptr %saved.at
  call void %set(i32 1)
  br label %enter
enter:
  %before = phi i32 [ 0, %blas ], [ 0, %blas.get ], [ %before32, %blas.set ]
  %threads.at = getelementptr i64, ptr %state, i64 68
  %threads = load i64, ptr %threads.at
  %several = icmp sgt i64 %threads, 1
  %long = icmp sgt i64 %extent, %grain
  %share = and i1 %several, %long
  br i1 %share, label %publish, label %single
single:
  call void @serial(ptr %kernel, ptr %table, i64 %extent, i64 %grain)
  br label %restore

publish:
  %ticket.old = load atomic i64, ptr %state monotonic, align 8
  %ticket.next = add i64 %ticket.old, 1
  %ticket = and i64 %ticket.next, 2147483647
  %closed = shl i64 %ticket, 32
  %none = or i64 %closed, 4294967295
  %round = add i64 %extent, %grain
  %round.1 = sub i64 %round, 1
  %chunks = udiv i64 %round.1, %grain
  %done.at = getelementptr i64, ptr %state, i64 16
  br label %close
close:                                            ; nothing can be claimed while the job changes
  %i = phi i64 [ 0, %publish ], [ %i.next, %close ]
  %i.offset = mul i64 %i, 16
  %i.word = add i64 %i.offset, 128
  %i.claim = getelementptr i64, ptr %state, i64 %i.word
  store atomic i64 %none, ptr %i.claim seq_cst, align 8
  %i.next = add i64 %i, 1
  %i.more = icmp slt i64 %i.next, %threads
  br i1 %i.more, label %close, label %describe
describe:
  %kernel.at = getelementptr i64, ptr %state, i64 64
  store atomic ptr %kernel, ptr %kernel.at monotonic, align 8
  %table.at = getelementptr i64, ptr %state, i64 65
  store atomic ptr %table, ptr %table.at monotonic, align 8
  %extent.at = getelementptr i64, ptr %state, i64 66
  store atomic i64 %extent, ptr %extent.at monotonic, align 8
  %grain.at = getelementptr i64, ptr %state, i64 67
  store atomic i64 %grain, ptr %grain.at monotonic, align 8
  store atomic i64 0, ptr %done.at seq_cst, align 8
  br label %open
open:
  %j = phi i64 [ 0, %describe ], [ %j.next, %open ]
  %j.offset = mul i64 %j, 16
  %j.word = add i64 %j.offset, 128
  %j.claim = getelementptr i64, ptr %state, i64 %j.word
  %j.end.at = getelementptr i64, ptr %j.claim, i64 1
  %j.next = add i64 %j, 1
  %j.low = mul i64 %j, %chunks
  %j.first = udiv i64 %j.low, %threads
  %j.high = mul i64 %j.next, %chunks
  %j.end = udiv i64 %j.high, %threads
  store atomic i64 %j.end, ptr %j.end.at seq_cst, align 8
  %j.value = or i64 %closed, %j.first
  store atomic i64 %j.value, ptr %j.claim seq_cst, align 8
  %j.more = icmp slt i64 %j.next, %threads
  br i1 %j.more, label %open, label %announce
announce:
  store atomic i64 %ticket, ptr %state seq_cst, align 8
  %sleepers.at = getelementptr i64, ptr %state, i64 32
  %sleepers = load atomic i64, ptr %sleepers.at seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %rouse, label %help
rouse:
  call void @wake(ptr %state)
  br label %help
help:
  call void @chunks(ptr %state, i64 0, i64 %ticket)
  br label %wait
wait:                                             ; for chunks that others have claimed
  %waits = phi i64 [ 0, %help ], [ %waits.next, %again ]
  %done = load atomic i64, ptr %done.at seq_cst, align 8
  %finished = icmp eq i64 %done, %chunks
  br i1 %finished, label %restore, label %pause
pause:
  call void PAUSE
  %waits.next = add i64 %waits, 1
  %long.wait = icmp sgt i64 %waits, 2000
  br i1 %long.wait, label %yield, label %again
yield:                                            ; the other thread may need this processor
  %yield.at = getelementptr i64, ptr %state, i64 77
  %yield.f = load ptr, ptr %yield.at
  %yielded = call i32 %yield.f()
  br label %again
again:
  br label %wait

restore:
  %changed = icmp sgt i32 %before, 1
  br i1 %changed, label %blas.restore, label %leave
blas.restore:
  %set2.at = getelementptr i64, ptr %state, i64 79
  %set2 = load ptr, ptr %set2.at
  call void %set2(i32 %before)
  %saved2.at = getelementptr i64, ptr %state, i64 80
  store i64 0, ptr %saved2.at
  br label %leave
leave:
  store atomic i64 0, ptr %busy.at seq_cst, align 8
  ret void
}

declare i64 @llvm.smin.i64(i64, i64)
