# Direct preference optimisation of a small model.
accelerate launch --config_file configs/zero3.yaml --num_processes 8 trl/scripts/dpo.py \
    --model_name_or_path Qwen/Qwen2.5-1.5B-Instruct \
    --dataset_name trl-lib/ultrafeedback_binarized \
    --learning_rate 5.0e-6 --num_train_epochs 1 \
    --per_device_train_batch_size 2 --gradient_accumulation_steps 8 \
    --beta 0.1 --max_length 1024 --gradient_checkpointing \
    --use_peft --lora_r 32 --lora_alpha 16 --lora_target_modules q_proj v_proj \
    --rpo_alpha 1.0 --output_dir out --no_remove_unused_columns
