; Runs a compiled program without Python: see kernels/driver.py, which says what the words mean.

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; ---- steps: (function, table, extent, grain, through the pool?)

define internal void @steps(ptr %code, ptr %first, i64 %count) {
entry:
  %abort.at = getelementptr i64, ptr %code, i64 10
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %step, label %done
step:
  %k = phi i64 [ 0, %entry ], [ %k.next, %ran ]
  %off = mul i64 %k, 5
  %f.at = getelementptr i64, ptr %first, i64 %off
  %table.at = getelementptr i64, ptr %f.at, i64 1
  %extent.at = getelementptr i64, ptr %f.at, i64 2
  %grain.at = getelementptr i64, ptr %f.at, i64 3
  %pool.at = getelementptr i64, ptr %f.at, i64 4
  %f = load ptr, ptr %f.at
  %table = load ptr, ptr %table.at
  %extent = load i64, ptr %extent.at
  %grain = load i64, ptr %grain.at
  %pool = load i64, ptr %pool.at
  %small = icmp sle i64 %extent, %grain
  %alone = icmp eq i64 %pool, 0
  %direct = and i1 %small, %alone
  br i1 %direct, label %call, label %share
call:
  call void %f(ptr %table, i64 0, i64 %extent)
  br label %ran
share:
  %launch.at = getelementptr i64, ptr %code, i64 7
  %state.at = getelementptr i64, ptr %code, i64 8
  %launch = load ptr, ptr %launch.at
  %state = load ptr, ptr %state.at
  call void %launch(ptr %state, ptr %f, ptr %table, i64 %extent, i64 %grain)
  br label %ran
ran:
  %abort = load volatile i64, ptr %abort.at
  %stop = icmp ne i64 %abort, 0
  %k.next = add i64 %k, 1
  %end = icmp sge i64 %k.next, %count
  %leave = or i1 %stop, %end
  br i1 %leave, label %done, label %step
done:
  ret void
}

; ---- the whole program: take the addresses of the operands, put them into the tables, run

define i64 @run_program(ptr %code) {
entry:
  %n = load i64, ptr %code
  %ids.at = getelementptr i64, ptr %code, i64 1
  %ids = load ptr, ptr %ids.at
  %values.at = getelementptr i64, ptr %code, i64 2
  %values = load ptr, ptr %values.at
  %type.at = getelementptr i64, ptr %code, i64 9
  %type = load i64, ptr %type.at
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %operand, label %apart
operand:
  %i = phi i64 [ 0, %entry ], [ %i.next, %good ]
  %id.at = getelementptr i64, ptr %ids, i64 %i
  %object = load ptr, ptr %id.at
  %class.at = getelementptr i64, ptr %object, i64 1
  %class = load i64, ptr %class.at
  %is.array = icmp eq i64 %class, %type
  br i1 %is.array, label %look, label %bad
look:
  %flags.at = getelementptr i64, ptr %object, i64 8
  %flags = load i32, ptr %flags.at
  %needed = and i32 %flags, 257
  %contiguous = icmp eq i32 %needed, 257
  br i1 %contiguous, label %good, label %bad
good:
  %data.at = getelementptr i64, ptr %object, i64 2
  %data = load i64, ptr %data.at
  %value.at = getelementptr i64, ptr %values, i64 %i
  store i64 %data, ptr %value.at
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %operand, label %apart
bad:
  %answer = add i64 %i, 1
  ret i64 %answer
apart:
  %result = call i64 @run_prepared(ptr %code)
  ret i64 %result
}

; ---- the same when the addresses of the operands are known

define i64 @run_prepared(ptr %code) {
entry:
  %n = load i64, ptr %code
  %values.at = getelementptr i64, ptr %code, i64 2
  %values = load ptr, ptr %values.at
  ; operands that are written must overlap no other
  %written.at = getelementptr i64, ptr %code, i64 11
  %written = load i64, ptr %written.at
  %list.at = getelementptr i64, ptr %code, i64 12
  %list = load ptr, ptr %list.at
  %sizes.at = getelementptr i64, ptr %code, i64 13
  %sizes = load ptr, ptr %sizes.at
  %any.written = icmp sgt i64 %written, 0
  br i1 %any.written, label %each, label %patching
each:
  %w = phi i64 [ 0, %entry ], [ %w.next, %each.end ]
  %which.at = getelementptr i64, ptr %list, i64 %w
  %which = load i64, ptr %which.at
  %a.at = getelementptr i64, ptr %values, i64 %which
  %a = load i64, ptr %a.at
  %a.size.at = getelementptr i64, ptr %sizes, i64 %which
  %a.size = load i64, ptr %a.size.at
  %a.end = add i64 %a, %a.size
  br label %other
other:
  %o = phi i64 [ 0, %each ], [ %o.next, %other.end ]
  %b.at = getelementptr i64, ptr %values, i64 %o
  %b = load i64, ptr %b.at
  %b.size.at = getelementptr i64, ptr %sizes, i64 %o
  %b.size = load i64, ptr %b.size.at
  %b.end = add i64 %b, %b.size
  %before = icmp ule i64 %b.end, %a
  %after = icmp ule i64 %a.end, %b
  %apart.both = or i1 %before, %after
  %unread = icmp eq i64 %b.size, 0
  %free = or i1 %apart.both, %unread
  %self = icmp eq i64 %o, %which
  %fine = or i1 %free, %self
  br i1 %fine, label %other.end, label %overlap
other.end:
  %o.next = add i64 %o, 1
  %o.more = icmp slt i64 %o.next, %n
  br i1 %o.more, label %other, label %each.end
each.end:
  %w.next = add i64 %w, 1
  %w.more = icmp slt i64 %w.next, %written
  br i1 %w.more, label %each, label %patching
overlap:
  ret i64 -1
patching:
  %patches.count.at = getelementptr i64, ptr %code, i64 3
  %patches.count = load i64, ptr %patches.count.at
  %patches.at = getelementptr i64, ptr %code, i64 4
  %patches = load ptr, ptr %patches.at
  %any.patch = icmp sgt i64 %patches.count, 0
  br i1 %any.patch, label %patch, label %go
patch:
  %p = phi i64 [ 0, %patching ], [ %p.next, %patch ]
  %p2 = mul i64 %p, 2
  %slot.at = getelementptr i64, ptr %patches, i64 %p2
  %slot = load ptr, ptr %slot.at
  %number.at = getelementptr i64, ptr %slot.at, i64 1
  %number = load i64, ptr %number.at
  %address.at = getelementptr i64, ptr %values, i64 %number
  %address = load i64, ptr %address.at
  store i64 %address, ptr %slot
  %p.next = add i64 %p, 1
  %p.more = icmp slt i64 %p.next, %patches.count
  br i1 %p.more, label %patch, label %go
go:
  %steps.count.at = getelementptr i64, ptr %code, i64 5
  %steps.count = load i64, ptr %steps.count.at
  %steps.at = getelementptr i64, ptr %code, i64 6
  %steps = load ptr, ptr %steps.at
  call void @steps(ptr %code, ptr %steps, i64 %steps.count)
  ret i64 0
}

; ---- steps that hold steps. Tables: the program, then
;   loop    times, moves, first move, steps, first step
;   until   test: steps, first step, flag; body: moves, first move, steps, first step
;   branch  address of the index, branches, then for each: steps, first step
; A move is (slot, word to start from, what to add to that, step, bits to flip): where the table of
; a step in the body has an address that changes from turn to turn.

define internal void @start_moves(ptr %moves, i64 %count) {
entry:
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %move, label %done
move:
  %k = phi i64 [ 0, %entry ], [ %k.next, %move ]
  %off = mul i64 %k, 5
  %slot.at = getelementptr i64, ptr %moves, i64 %off
  %from.at = getelementptr i64, ptr %slot.at, i64 1
  %add.at = getelementptr i64, ptr %slot.at, i64 2
  %slot = load ptr, ptr %slot.at
  %from = load ptr, ptr %from.at
  %base = load i64, ptr %from
  %add = load i64, ptr %add.at
  %address = add i64 %base, %add
  store i64 %address, ptr %slot
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %move, label %done
done:
  ret void
}

define internal void @make_moves(ptr %moves, i64 %count) {
entry:
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %move, label %done
move:
  %k = phi i64 [ 0, %entry ], [ %k.next, %move ]
  %off = mul i64 %k, 5
  %slot.at = getelementptr i64, ptr %moves, i64 %off
  %step.at = getelementptr i64, ptr %slot.at, i64 3
  %flip.at = getelementptr i64, ptr %slot.at, i64 4
  %slot = load ptr, ptr %slot.at
  %step = load i64, ptr %step.at
  %flip = load i64, ptr %flip.at
  %old = load i64, ptr %slot
  %moved = add i64 %old, %step
  %new = xor i64 %moved, %flip
  store i64 %new, ptr %slot
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %move, label %done
done:
  ret void
}

define void @run_loop(ptr %table, i64 %start, i64 %stop) {
entry:
  %code = load ptr, ptr %table
  %times.at = getelementptr i64, ptr %table, i64 1
  %moves.count.at = getelementptr i64, ptr %table, i64 2
  %moves.at = getelementptr i64, ptr %table, i64 3
  %count.at = getelementptr i64, ptr %table, i64 4
  %first.at = getelementptr i64, ptr %table, i64 5
  %times = load i64, ptr %times.at
  %moves.count = load i64, ptr %moves.count.at
  %moves = load ptr, ptr %moves.at
  %count = load i64, ptr %count.at
  %first = load ptr, ptr %first.at
  call void @start_moves(ptr %moves, i64 %moves.count)
  %any = icmp sgt i64 %times, 0
  br i1 %any, label %turn, label %done
turn:
  %t = phi i64 [ 0, %entry ], [ %t.next, %turn ]
  call void @steps(ptr %code, ptr %first, i64 %count)
  call void @make_moves(ptr %moves, i64 %moves.count)
  %abort.at = getelementptr i64, ptr %code, i64 10
  %abort = load volatile i64, ptr %abort.at
  %fine = icmp eq i64 %abort, 0
  %t.next = add i64 %t, 1
  %more = icmp slt i64 %t.next, %times
  %again = and i1 %fine, %more
  br i1 %again, label %turn, label %done
done:
  ret void
}

define void @run_while(ptr %table, i64 %start, i64 %stop) {
entry:
  %code = load ptr, ptr %table
  %test.count.at = getelementptr i64, ptr %table, i64 1
  %test.at = getelementptr i64, ptr %table, i64 2
  %flag.at = getelementptr i64, ptr %table, i64 3
  %moves.count.at = getelementptr i64, ptr %table, i64 4
  %moves.at = getelementptr i64, ptr %table, i64 5
  %count.at = getelementptr i64, ptr %table, i64 6
  %first.at = getelementptr i64, ptr %table, i64 7
  %test.count = load i64, ptr %test.count.at
  %test = load ptr, ptr %test.at
  %flag = load ptr, ptr %flag.at
  %moves.count = load i64, ptr %moves.count.at
  %moves = load ptr, ptr %moves.at
  %count = load i64, ptr %count.at
  %first = load ptr, ptr %first.at
  call void @start_moves(ptr %moves, i64 %moves.count)
  br label %turn
turn:
  call void @steps(ptr %code, ptr %test, i64 %test.count)
  %abort.at = getelementptr i64, ptr %code, i64 10
  %abort = load volatile i64, ptr %abort.at
  %fine = icmp eq i64 %abort, 0
  %going = load i8, ptr %flag
  %yes = icmp ne i8 %going, 0
  %on = and i1 %fine, %yes
  br i1 %on, label %body, label %done
body:
  call void @steps(ptr %code, ptr %first, i64 %count)
  call void @make_moves(ptr %moves, i64 %moves.count)
  br label %turn
done:
  ret void
}

define void @run_branch(ptr %table, i64 %start, i64 %stop) {
entry:
  %code = load ptr, ptr %table
  %index.at = getelementptr i64, ptr %table, i64 1
  %index.ptr = load ptr, ptr %index.at
  %branches.at = getelementptr i64, ptr %table, i64 2
  %branches = load i64, ptr %branches.at
  %index32 = load i32, ptr %index.ptr
  %index = sext i32 %index32 to i64
  %last = sub i64 %branches, 1
  %big = icmp sgt i64 %index, %last
  %low = select i1 %big, i64 %last, i64 %index
  %negative = icmp slt i64 %low, 0
  %chosen = select i1 %negative, i64 0, i64 %low
  %off = mul i64 %chosen, 2
  %off3 = add i64 %off, 3
  %count.at = getelementptr i64, ptr %table, i64 %off3
  %first.at = getelementptr i64, ptr %count.at, i64 1
  %count = load i64, ptr %count.at
  %first = load ptr, ptr %first.at
  call void @steps(ptr %code, ptr %first, i64 %count)
  ret void
}

; ---- table: to, from, bytes
define void @copy_bytes(ptr %table, i64 %start, i64 %stop) {
  %to = load ptr, ptr %table
  %from.at = getelementptr i64, ptr %table, i64 1
  %from = load ptr, ptr %from.at
  %bytes.at = getelementptr i64, ptr %table, i64 2
  %bytes = load i64, ptr %bytes.at
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  ret void
}
